//! What a flight tells those who wait for it.

use std::sync::Arc;

use solekey_core::{Delay, Generation, Moment, Revocation};

use crate::token::TokenData;

/// A flight's delivery, with the token where there is one.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Token(Arc<TokenData>),
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
