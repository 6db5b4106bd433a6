//! What happens, for whoever counts it.

use solekey_core::{Account, Generation, Outcome};

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
    /// A request was answered after waiting for a flight.
    Waited {
        /// Whose.
        account: &'a Account,
        /// For how long.
        waited: std::time::Duration,
    },
    /// The account needs a login.
    LoginNeeded {
        /// Whose.
        account: &'a Account,
        /// The generation whose grant ended.
        generation: Generation,
    },
}

/// Hears what happens. Called from the tasks that do the work: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn on(&self, event: &Event<'_>);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deaf;

impl Observer for Deaf {
    fn on(&self, _event: &Event<'_>) {}
}
