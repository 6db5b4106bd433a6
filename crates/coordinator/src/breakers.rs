//! What this process knows of how providers take its clients.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use solekey_core::{Account, Breaker, Delay, Moment, Outcome};

use crate::provider::Provider;

/// A breaker per client at a token endpoint: as many as there are providers.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<Box<str>, Breaker>>);

impl Breakers {
    /// What holds all accounts of this provider up.
    pub(crate) fn hold(&self, provider: &Provider, now: Moment) -> Option<(Moment, Delay)> {
        let until = self.lock().get(provider.endpoint().client())?.hold(now)?;
        Some((until, Delay::OurFault))
    }

    /// Whether an attempt may go out.
    pub(crate) fn admit(&self, provider: &Provider, now: Moment) -> bool {
        let mut breakers = self.lock();
        let breaker = breakers.get_mut(provider.endpoint().client());
        breaker.is_none_or(|breaker| breaker.admits(now, jitter()))
    }

    pub(crate) fn learn(&self, provider: &Provider, account: &Account, outcome: Outcome<()>, now: Moment) {
        let client = provider.endpoint().client();
        match outcome {
            Outcome::OurFault => {
                let mut breakers = self.lock();
                breakers.entry(client.into()).or_default().accuse(account.key(), now, jitter());
            }
            // None of them says anything about how the provider takes us.
            Outcome::NotSent | Outcome::Withheld | Outcome::Ambiguous => {}
            Outcome::Success(()) | Outcome::Refused { .. } | Outcome::NonceWanted | Outcome::Permanent(_) => {
                self.lock().remove(client);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn jitter() -> u16 {
    fastrand::u16(0..1000)
}
