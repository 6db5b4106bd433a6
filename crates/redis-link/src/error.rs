//! Errors of calls, sorted by what is known about their effect.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::state::DownReason;

/// The reason why a call has no usable answer, sorted by what is known about its effect.
///
/// The one question a writer has after a failure is whether the write happened; [`LinkError::is_not_applied`] answers
/// it. A command whose fate is unknown is never repeated by the link: the caller reads back by the id it wrote, or
/// repeats a command that is idempotent by such an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The command did nothing: it was never written to a connection, or the server replied that it cannot run commands
    /// now (out of memory, loading, cluster down).
    #[error("redis did not execute the command: {why}")]
    NotApplied {
        /// The server's code and message, or what was missing here.
        why: String,
    },
    /// The command was handed to a connection and no answer came: it may have run, may run later, or never.
    #[error("redis may or may not have executed the command: {why}")]
    Unknown {
        /// The event that happened instead of an answer.
        why: String,
    },
    /// The server is a replica; a new connection is being made. Nothing was written.
    #[error("redis is read-only here (READONLY)")]
    ReadOnly,
    /// Nothing was sent: the link is down and keeps trying by itself.
    #[error("redis is down: {why}")]
    Down {
        /// The reason why the link is down.
        why: DownReason,
    },
    /// Nothing was sent: another run of a server has just taken the place of the one before, and this handle is for a
    /// [settled](crate::RedisLink::settled) one.
    #[error("another Redis server, or one that restarted, has just taken over")]
    Unsettled,
    /// The server answered with an error about this command: wrong type, no permission, an error raised by a script.
    #[error("redis refused the command: {code} {message}")]
    Refused {
        /// The first word of the server's error, such as `WRONGTYPE`.
        code: String,
        /// The rest of it, without the arguments of the command.
        message: String,
    },
    /// The command ran, but its answer does not have the shape that was asked for.
    #[error("redis answered in another shape than {expected}")]
    Shape {
        /// The type that was asked for.
        expected: &'static str,
    },
}

impl LinkError {
    /// Returns whether the command provably had no effect, so that repeating it is safe.
    ///
    /// A refusal counts only where the server refuses before running anything; an error raised in the middle of a
    /// script does not.
    pub fn is_not_applied(&self) -> bool {
        match self {
            Self::NotApplied { .. } | Self::ReadOnly | Self::Down { .. } | Self::Unsettled => true,
            Self::Refused { code, message } => {
                REFUSED_BEFORE_RUNNING.contains(&code.as_str()) && !is_of_script(message)
            }
            Self::Unknown { .. } | Self::Shape { .. } => false,
        }
    }

    /// Returns whether the command may have run although no answer came.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    pub(crate) fn timed_out() -> Self {
        Self::Unknown { why: "no answer within the deadline".into() }
    }

    pub(crate) fn no_turn_in_time() -> Self {
        Self::NotApplied { why: "no round trip within the deadline".into() }
    }

    pub(crate) fn left_behind() -> Self {
        Self::Unknown { why: "the link was closed".into() }
    }

    pub(crate) fn no_connection_in_time() -> Self {
        Self::NotApplied { why: "no connection within the deadline".into() }
    }
}

/// A failed call, and what it means for the connection it was made on.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: LinkError,
    pub(crate) sign: Sign,
}

/// The meaning of an error for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The server answered; the connection is well.
    Well,
    /// The server answered that it is not the one to write to, or not yet.
    Demoted,
    /// The connection is gone.
    Gone,
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => server_error(&error),
            ErrorKind::Client | ErrorKind::InvalidClientConfig => {
                let why = error.category().to_owned();
                Self { error: LinkError::NotApplied { why }, sign: Sign::Well }
            }
            _ => Self { error: LinkError::Unknown { why: error.category().to_owned() }, sign: Sign::Gone },
        }
    }
}

fn server_error(error: &RedisError) -> Failure {
    let detail = error.detail().unwrap_or_default();
    let code = code_within_script(detail).or(error.code()).unwrap_or("ERR");
    let sign = if DEMOTED.contains(&code) { Sign::Demoted } else { Sign::Well };
    let error = match code {
        "READONLY" => LinkError::ReadOnly,
        _ if NOT_NOW.contains(&code) => {
            LinkError::NotApplied { why: format!("{code} {}", without_arguments(detail)) }
        }
        _ => LinkError::Refused { code: code.to_owned(), message: without_arguments(detail).to_owned() },
    };
    Failure { error, sign }
}

/// Redis 6.2 wraps an error met inside a script: `ERR Error running script (call to f_…): @user_script:1: -READONLY You
/// can't write…`. Newer servers put the inner code first by themselves.
fn code_within_script(detail: &str) -> Option<&str> {
    if !detail.starts_with("Error running script") {
        return None;
    }
    let inner = detail.split(": -").nth(1)?.split_whitespace().next()?;
    inner.bytes().all(|byte| byte.is_ascii_uppercase()).then_some(inner)
}

/// A script was stopped in the middle. Redis 7 names it at the end of the error: `script: 3f…, on @user_script:1.`.
fn is_of_script(message: &str) -> bool {
    message.starts_with("Error running script") || message.contains(" script: ")
}

/// A server that does not know a command quotes its arguments, which may hold what must not reach a log.
fn without_arguments(message: &str) -> &str {
    message.split(", with args beginning with").next().unwrap_or_default()
}

pub(crate) fn is_noscript(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// The server runs nothing at present. Inside a script these are only raised before its first write.
const NOT_NOW: [&str; 8] =
    ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS", "BUSY"];
/// The server is another one than we want, or is not ready; a new connection may find a better one.
const DEMOTED: [&str; 3] = ["READONLY", "LOADING", "MASTERDOWN"];
/// Refusals that come before the command runs.
const REFUSED_BEFORE_RUNNING: [&str; 8] =
    ["NOAUTH", "WRONGPASS", "NOPERM", "MOVED", "ASK", "CROSSSLOT", "NOSCRIPT", "NOPROTO"];

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reply: &str) -> Failure {
        let value = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes());
        Failure::from(value.and_then(redis::Value::extract_error).expect_err("an error reply"))
    }

    #[test]
    fn each_server_error_falls_into_the_class_that_describes_what_happened() {
        let table: [(&str, bool, Sign); 13] = [
            ("READONLY You can't write against a read only replica.", true, Sign::Demoted),
            ("LOADING Redis is loading the dataset in memory", true, Sign::Demoted),
            ("MASTERDOWN Link with MASTER is down", true, Sign::Demoted),
            ("OOM command not allowed when used memory > 'maxmemory'.", true, Sign::Well),
            ("TRYAGAIN Multiple keys request during rehashing of slot", true, Sign::Well),
            ("MOVED 3999 127.0.0.1:6381", true, Sign::Well),
            ("NOAUTH Authentication required.", true, Sign::Well),
            ("NOPERM User app has no permissions to run the 'set' command", true, Sign::Well),
            (
                "NOPERM User app has no permissions to access one of the channels script: 3f0a, on @user_script:7.",
                false,
                Sign::Well,
            ),
            (
                "ERR Error running script (call to f_ab): @user_script:1: @user_script: 1: -NOPERM this user has no",
                false,
                Sign::Well,
            ),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", false, Sign::Well),
            ("ERR Error running script (call to f_ab): @user_script:1: boom", false, Sign::Well),
            (
                "ERR Error running script (call to f_ab): @user_script:1: @user_script: 1: -READONLY You can't write",
                true,
                Sign::Demoted,
            ),
        ];
        for (reply, not_applied, sign) in table {
            let failure = failure(reply);
            assert_eq!((failure.error.is_not_applied(), failure.sign), (not_applied, sign), "{reply}");
            assert!(!failure.error.is_unknown(), "{reply}");
        }
    }

    #[test]
    fn a_crowd_whose_slot_is_moving_goes_alone() {
        for (reply, alone) in [
            ("TRYAGAIN Multiple keys request during rehashing of slot", true),
            ("CROSSSLOT Keys in request don't hash to the same slot", true),
            ("OOM command not allowed when used memory > 'maxmemory'.", false),
        ] {
            assert_eq!(crate::trips::must_go_alone(&failure(reply).error), alone, "{reply}");
        }
    }

    #[test]
    fn a_dropped_connection_leaves_the_outcome_unknown() {
        let failure = Failure::from(RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)));
        assert!(failure.error.is_unknown());
        assert_eq!(failure.sign, Sign::Gone);
    }

    #[test]
    fn the_arguments_of_an_unknown_command_are_not_repeated() {
        let failure = failure("ERR unknown command 'SETX', with args beginning with: 'key' 's3cret'");
        assert!(!failure.error.to_string().contains("s3cret"));
    }
}
