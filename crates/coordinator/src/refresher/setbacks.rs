//! What goes wrong at a provider whatever the account.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use solekey_core::{AccountKey, Breaker, Moment, Outcome, mutant};

/// A breaker per provider: where presentations of three accounts in a row come to nothing, starts are put off, and then
/// one in turn tries. Requests are not held up: their callers wait, and each account has a cooldown of its own.
#[derive(Debug, Default)]
pub(crate) struct Setbacks(Mutex<HashMap<Box<str>, Breaker>>);

impl Setbacks {
    /// Until when nothing is started.
    pub(crate) fn hold(&self, provider: &str, now: Moment) -> Option<Moment> {
        self.lock().get(provider)?.hold(now)
    }

    /// Whether a refresh may be started: of those who come once the time is over, the first one may.
    pub(crate) fn admit(&self, provider: &str, now: Moment) -> bool {
        self.lock().get_mut(provider).is_none_or(|breaker| breaker.admits(now, jitter()))
    }

    /// What one account is told for good says nothing about the others, but shows that the provider works; what our client
    /// is told has a breaker of its own; and a provider that says when to come back needs none.
    pub(crate) fn learn(&self, provider: &str, account: AccountKey, outcome: Outcome<()>, now: Moment) {
        match outcome {
            Outcome::NotSent | Outcome::Ambiguous | Outcome::Refused { retry_after: None, .. }
                if !mutant("setbacks_are_not_counted") =>
            {
                self.lock().entry(provider.into()).or_default().accuse(account, now, jitter());
            }
            Outcome::Success(()) | Outcome::Permanent(_) | Outcome::NonceWanted => {
                self.lock().remove(provider);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn jitter() -> u16 {
    fastrand::u16(0..1000)
}
