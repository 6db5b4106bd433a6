//! Breakers for clients that token endpoints refuse.

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
    /// The delay of all accounts of this provider. There is none where accounts live on servers of their own: the answer of
    /// one of them is known when an attempt for it would go out.
    pub(crate) fn hold(&self, provider: &Provider, now: Moment) -> Option<(Moment, Delay)> {
        let until = self.lock().get(provider.endpoint().client())?.hold(now)?;
        Some((until, Delay::OurFault))
    }

    /// Returns whether an attempt may go out.
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
            Outcome::NotSent
            | Outcome::Withheld(_)
            | Outcome::OtherClient
            | Outcome::Unread
            | Outcome::Ambiguous => {}
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{collections::BTreeSet, time::Duration};

    use super::*;

    const CLIENT: &str = "https://acme.example/token gateway";

    fn account(id: u32) -> Account {
        Account::new("acme", &id.to_string()).unwrap()
    }

    fn refused(breakers: &Breakers, accounts: std::ops::Range<u32>, now: Moment) {
        for id in accounts {
            breakers.learn(CLIENT, &account(id), Outcome::OurFault, now);
        }
    }

    fn hold(breakers: &Breakers, now: Moment) -> Option<Duration> {
        Some(breakers.lock().get(CLIENT)?.hold(now)?.since(now))
    }

    #[test]
    fn replicas_that_are_refused_together_do_not_come_back_together() {
        let now = Moment::from_micros(1);
        let holds: BTreeSet<_> = (0..100)
            .map(|_| {
                let breakers = Breakers::default();
                refused(&breakers, 0..6, now);
                hold(&breakers, now).unwrap()
            })
            .collect();
        let (first, last) = (*holds.first().unwrap(), *holds.last().unwrap());
        assert!(last.saturating_sub(first) > last / 8, "{first:?} to {last:?}");
    }

    #[test]
    fn nothing_of_a_client_that_was_accepted_stays() {
        let now = Moment::from_micros(1);
        let refusal = Outcome::Refused { retry_after: None, why: Delay::RateLimited };
        let gone = Outcome::Permanent(solekey_core::Revocation::Refused);
        for accepted in [Outcome::Success(()), refusal, Outcome::NonceWanted, gone] {
            let breakers = Breakers::default();
            refused(&breakers, 0..3, now);
            assert!(hold(&breakers, now).is_some());
            breakers.learn(CLIENT, &account(9), accepted, now);
            assert!(breakers.lock().is_empty(), "{accepted:?}");
        }
        for silent in
            [Outcome::NotSent, Outcome::Withheld(Delay::OurFault), Outcome::OtherClient, Outcome::Ambiguous]
        {
            let breakers = Breakers::default();
            breakers.learn(CLIENT, &account(9), silent, now);
            assert!(breakers.lock().is_empty(), "{silent:?}");
            refused(&breakers, 0..3, now);
            breakers.learn(CLIENT, &account(9), silent, now);
            assert!(hold(&breakers, now).is_some(), "{silent:?}");
        }
    }

    #[test]
    fn clients_beyond_the_most_are_not_remembered() {
        let (breakers, now) = (Breakers::default(), Moment::from_micros(1));
        for client in 0..MOST + 10 {
            breakers.learn(&client.to_string(), &account(1), Outcome::OurFault, now);
        }
        assert_eq!(breakers.lock().len(), MOST);
    }
}
