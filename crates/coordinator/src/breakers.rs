//! What this process knows of how providers take its clients.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use solekey_core::{Account, Breaker, Delay, Moment, Outcome};

use crate::provider::Provider;

/// A breaker per client at a token endpoint: as many as there are providers, or servers that accounts of one live on.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<Box<str>, Breaker>>);

impl Breakers {
    /// What holds all accounts of this provider up. Where they live on servers of their own that is nothing: what one of
    /// them says is known when an attempt for it would go out.
    pub(crate) fn hold(&self, provider: &Provider, now: Moment) -> Option<(Moment, Delay)> {
        let until = self.lock().get(provider.endpoint().client())?.hold(now)?;
        Some((until, Delay::OurFault))
    }

    /// Whether an attempt may go out.
    pub(crate) fn admit(&self, client: &str, now: Moment) -> bool {
        let mut breakers = self.lock();
        let breaker = breakers.get_mut(client);
        breaker.is_none_or(|breaker| breaker.admits(now, jitter()))
    }

    pub(crate) fn learn(&self, client: &str, account: &Account, outcome: Outcome<()>, now: Moment) {
        match outcome {
            Outcome::OurFault => {
                let mut breakers = self.lock();
                if breakers.len() >= MOST && !breakers.contains_key(client) {
                    return;
                }
                breakers.entry(client.into()).or_default().accuse(account.key(), now, jitter());
            }
            // None of them says anything about how the provider takes us.
            Outcome::NotSent | Outcome::Withheld | Outcome::OtherClient | Outcome::Ambiguous => {}
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

/// Servers whose refusals are counted at a time. Beyond that accounts cool down one by one.
const MOST: usize = 4096;
