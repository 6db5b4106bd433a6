//! What a flight tells those who wait for it.

use solekey_core::{Delay, Generation, Moment, Revocation};

use crate::driver::Held;

/// How far a flight has come, for those who wait for it.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// It looks at shelf and row, which is waiting for nobody.
    Looking,
    /// It presents, or waits for others.
    AtWork,
    /// It has delivered.
    Told(Told),
}

/// A flight's delivery, with the token where there is one.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Token(Held),
    Unknown,
    LogIn {
        generation: Generation,
        why: Revocation,
    },
    RetryAt {
        at: Moment,
        why: Delay,
    },
    RejectedAgain {
        at: Moment,
    },
    Misconfigured {
        field: &'static str,
        expected: &'static str,
    },
    /// The flight ended without a word: its task panicked.
    Lost,
}
