//! Events, for whoever counts them.

use std::time::Duration;

use solekey_core::{Account, Delay, Generation, Outcome, Revocation, ports::WirePhase};

use crate::error::TokenError;

/// Something worth counting.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A refresh token is about to be presented.
    Presenting {
        /// Whose.
        account: &'a Account,
        /// The generation the attempt would make.
        attempt: Generation,
    },
    /// The provider's answer was read, or did not come.
    Presented {
        /// Whose.
        account: &'a Account,
        /// The generation the attempt would make.
        attempt: Generation,
        /// Its outcome.
        outcome: Outcome<()>,
        /// The last phase of the exchange; an [`Unsent`](WirePhase::Unsent) one was no presentation.
        phase: WirePhase,
        /// From before the connection was opened to the last byte of the answer.
        took: Duration,
        /// Status and error code; never text of the answer.
        reason: &'a str,
    },
    /// A rotated pair is in the row.
    Committed {
        /// Whose.
        account: &'a Account,
        /// The generation.
        generation: Generation,
    },
    /// An answer that another owner left was put into the row.
    Recovered {
        /// Whose.
        account: &'a Account,
        /// The generation.
        generation: Generation,
    },
    /// An attempt is past its time, and no answer of it is there. Reported once by each process that finds it.
    InDoubt {
        /// Whose.
        account: &'a Account,
        /// The generation the attempt would make.
        attempt: Generation,
    },
    /// The row says now that a refresh has to wait: reported by the process that wrote it.
    CoolingDown {
        /// Whose.
        account: &'a Account,
        /// The generation that stays for now.
        generation: Generation,
        /// For how long.
        span: Duration,
        /// The reason of the delay.
        why: Delay,
    },
    /// The row says now that only a login helps: reported, and logged as a warning, once, by the process that wrote it. That
    /// there is no refresh token stands in no row: it is reported once by each process that finds it, when the access token
    /// has ended or was rejected.
    LoginNeeded {
        /// Whose.
        account: &'a Account,
        /// The generation whose grant ended.
        generation: Generation,
        /// The reason why the grant ended.
        why: Revocation,
    },
    /// A lease was asked for.
    Leased {
        /// Whose.
        account: &'a Account,
        /// Its outcome.
        outcome: LeaseOutcome,
    },
    /// A request got a token. Reported for every request: it has to be cheap.
    Served {
        /// Whose.
        account: &'a Account,
        /// The level at which it was found.
        level: Level,
        /// True if a refresh is overdue.
        stale: bool,
    },
    /// A request got none.
    Refused {
        /// Whose.
        account: &'a Account,
        /// The error it got.
        error: &'a TokenError,
    },
    /// A request was answered after waiting for a flight.
    Waited {
        /// Whose.
        account: &'a Account,
        /// For how long.
        waited: Duration,
    },
    /// Accounts were taken because their time had come.
    Due {
        /// Whose accounts.
        provider: &'a str,
        /// The number of accounts.
        accounts: usize,
    },
    /// A background refresh of an account ended.
    RefreshResult {
        /// Whose.
        account: &'a Account,
        /// Its result.
        end: RefreshResult,
        /// For how long it waited for its start.
        waited: Duration,
        /// The time since the account had become due.
        late: Duration,
    },
}

/// The outcome of a request for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaseOutcome {
    /// It is ours.
    Granted,
    /// Another replica holds it.
    Busy,
    /// The lease's server did not answer.
    Unreachable,
}

/// The level at which a request's token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// In this process' memory.
    Process,
    /// In the shared cache in Redis.
    Redis,
    /// In the row.
    Store,
    /// It was refreshed for this request, and for those who waited with it.
    Refresh,
}

/// Hears what happens. Called from the tasks that do the work: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn on(&self, event: &Event<'_>);
}

/// The result of a background refresh of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshResult {
    /// Its refresh token was presented, and the new pair is in the row.
    Refreshed,
    /// Its token is good: somebody else has refreshed it.
    Fresh,
    /// An answer that another owner left was put into the row.
    Recovered,
    /// It has to wait.
    PutOff(Delay),
    /// Only a login helps.
    LoginNeeded,
    /// It is gone.
    Gone,
    /// Others were before it for too long: it is due again after the visibility timeout.
    StartTimeout,
    /// Nothing is started at its provider for a while.
    ProviderPaused,
    /// This process is set up wrong.
    Misconfigured,
    /// Its refresh ended in a panic.
    Panicked,
}

impl RefreshResult {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Fresh => "fresh",
            Self::Recovered => "recovered",
            Self::PutOff(why) => why.name(),
            Self::LoginNeeded => "login_needed",
            Self::Gone => "gone",
            Self::StartTimeout => "start_timeout",
            Self::ProviderPaused => "provider_paused",
            Self::Misconfigured => "configuration",
            Self::Panicked => "panicked",
        }
    }

    pub(crate) fn recovered(self) -> Self {
        if self == Self::Fresh { Self::Recovered } else { self }
    }
}
