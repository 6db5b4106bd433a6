//! The options of a link, and the values it refuses.

use std::time::Duration;

/// The bounds a [`RedisLink`](crate::RedisLink) keeps.
///
/// The defaults suit a Redis in the same zone; every one of them is a promise to the caller about the longest time
/// a call can take.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// The longest one call may take, waiting for a connection that is being replaced included. Default: 500 ms.
    pub command_timeout: Duration,
    /// The longest one attempt to connect may take: name lookup, TCP, handshake and the first `PING`. Default: 1 s.
    pub connect_timeout: Duration,
    /// The pause between two heartbeats, which ask the server whether it is still there. Default: 1 s.
    ///
    /// Three heartbeats without an answer in a row replace the connection. The same interval is the longest wait
    /// between two attempts while the server is away.
    pub heartbeat: Duration,
    /// A median answer slower than this counts as an outage, and the link goes down until a probe is faster.
    /// Default: 250 ms.
    pub slow: Duration,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self {
            command_timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(1),
            heartbeat: Duration::from_secs(1),
            slow: Duration::from_millis(250),
        }
    }
}

impl LinkOptions {
    pub(crate) fn validated(self) -> Result<Self, InvalidOption> {
        let Self { command_timeout, connect_timeout, heartbeat, slow } = &self;
        for (field, value) in [
            ("command_timeout", command_timeout),
            ("connect_timeout", connect_timeout),
            ("heartbeat", heartbeat),
            ("slow", slow),
        ] {
            if value.is_zero() || *value > LONGEST {
                return Err(InvalidOption {
                    field,
                    expected: "a duration above zero and at most one minute",
                });
            }
        }
        Ok(self)
    }
}

/// A setting that no retry can help.
///
/// It names the field and what was expected there; the value itself stays out, since a URL holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub struct InvalidOption {
    /// The part that is wrong, such as `url.port`.
    pub field: &'static str,
    /// The kind of value that belongs there.
    pub expected: &'static str,
}

/// Bounds beyond this are a mistyped unit rather than a request.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_timeout_is_refused_by_name() {
        let options = LinkOptions { connect_timeout: Duration::ZERO, ..LinkOptions::default() };
        assert_eq!(options.validated().err().map(|error| error.field), Some("connect_timeout"));
    }

    #[test]
    fn the_defaults_are_valid() {
        assert!(LinkOptions::default().validated().is_ok());
        let LinkOptions { command_timeout, connect_timeout, heartbeat, slow } = LinkOptions::default();
        let millis = [command_timeout, connect_timeout, heartbeat, slow].map(|span| span.as_millis());
        assert_eq!(millis, [500, 1000, 1000, 250], "as documented");
    }
}
