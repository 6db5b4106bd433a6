//! Failures at a provider that do not depend on the account.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use solekey_core::{AccountKey, Breaker, Moment, Outcome, mutant};

/// A breaker per provider: where presentations of three accounts in a row come to nothing, starts are put off, and then
/// one in turn tries. Requests are not held up: their callers wait, and each account has a cooldown of its own.
#[derive(Debug, Default)]
pub(crate) struct FailureStreaks(Mutex<HashMap<Box<str>, Breaker>>);

impl FailureStreaks {
    /// The instant until which nothing is started.
    pub(crate) fn pause(&self, provider: &str, now: Moment) -> Option<Moment> {
        self.lock().get(provider)?.hold(now)
    }

    /// Returns whether a refresh may be started: of those who come once the time is over, the first one may.
    pub(crate) fn admit(&self, provider: &str, now: Moment) -> bool {
        self.lock().get_mut(provider).is_none_or(|breaker| breaker.admits(now, jitter()))
    }

    /// A final refusal of one account does not concern the others, but shows that the provider works; refusals of our client
    /// have a breaker of their own; and a provider that returns a `Retry-After` needs none.
    pub(crate) fn learn(&self, provider: &str, account: AccountKey, outcome: Outcome<()>, now: Moment) {
        match outcome {
            Outcome::NotSent | Outcome::Ambiguous | Outcome::Refused { retry_after: None, .. }
                if !mutant("failures_are_not_counted") =>
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use solekey_core::{Account, Delay};

    use super::*;

    fn key(id: u32) -> AccountKey {
        Account::new("acme", &id.to_string()).unwrap().key()
    }

    #[test]
    fn replicas_that_fail_together_do_not_come_back_together_and_a_success_ends_the_streak() {
        let now = Moment::from_micros(1);
        let failed = Outcome::Refused { retry_after: None, why: Delay::ProviderDown };
        let pauses: BTreeSet<_> = (0..100)
            .map(|_| {
                let streaks = FailureStreaks::default();
                (0..6).for_each(|id| streaks.learn("acme", key(id), failed, now));
                let pause = streaks.pause("acme", now).unwrap().since(now);
                streaks.learn("acme", key(9), Outcome::Success(()), now);
                assert!(streaks.lock().is_empty());
                pause
            })
            .collect();
        let (first, last) = (*pauses.first().unwrap(), *pauses.last().unwrap());
        assert!(last.saturating_sub(first) > last / 8, "{first:?} to {last:?}");
    }
}
