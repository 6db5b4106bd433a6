//! The outcome of a flight, for those who wait for it.

use solekey_core::{Delay, Generation, Moment, Revocation};

use crate::process::LocalToken;

/// The progress of a flight, for those who wait for it.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// It reads shared cache and row, and waits for nobody.
    Reading,
    /// It presents, or waits for others.
    AtWork,
    /// It has delivered.
    Finished(FlightOutcome),
}

/// A flight's delivery, with the token where there is one.
#[derive(Clone, Debug)]
pub(crate) enum FlightOutcome {
    Token(LocalToken),
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
