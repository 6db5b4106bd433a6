//! What happens, for whoever counts it.

use std::time::Duration;

use solekey_core::{Account, Delay, Generation, Outcome, Revocation, ports::WirePhase};

use crate::{error::TokenError, refresher::Tended};

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
        /// What it came to.
        outcome: Outcome<()>,
        /// How far the exchange came; an [`Unsent`](WirePhase::Unsent) one was no presentation.
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
    /// An attempt is past its time, and no answer of it is there. Told once by each process that finds it.
    InDoubt {
        /// Whose.
        account: &'a Account,
        /// The generation the attempt would make.
        attempt: Generation,
    },
    /// The row says now that a refresh has to wait: told by the process that wrote it.
    CoolingDown {
        /// Whose.
        account: &'a Account,
        /// The generation that stays for now.
        generation: Generation,
        /// For how long.
        span: Duration,
        /// What it waits for.
        why: Delay,
    },
    /// The row says now that only a login helps: told, and logged as a warning, once, by the process that wrote it. That
    /// there is no refresh token stands in no row: it is told once by each process that finds it, when the access token
    /// has ended or was rejected.
    LoginNeeded {
        /// Whose.
        account: &'a Account,
        /// The generation whose grant ended.
        generation: Generation,
        /// What ended it.
        why: Revocation,
    },
    /// A lease was asked for.
    Leased {
        /// Whose.
        account: &'a Account,
        /// What came of it.
        door: Door,
    },
    /// A request got a token. Told of every request: it has to be cheap.
    Served {
        /// Whose.
        account: &'a Account,
        /// Where it was found.
        level: Level,
        /// Whether a refresh is overdue.
        stale: bool,
    },
    /// A request got none.
    Refused {
        /// Whose.
        account: &'a Account,
        /// What it was told.
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
        /// How many.
        accounts: usize,
    },
    /// An account was looked after that nobody had asked for.
    Tended {
        /// Whose.
        account: &'a Account,
        /// How that ended.
        end: Tended,
        /// For how long it waited for its start.
        waited: Duration,
        /// How long before that its time had come.
        late: Duration,
    },
}

/// What came of asking for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// It is ours.
    Granted,
    /// Another replica holds it.
    Busy,
    /// The lease's server did not answer.
    Unreachable,
}

/// Where a request's token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// In this process' memory.
    Process,
    /// On the shelf that replicas share.
    Shelf,
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
