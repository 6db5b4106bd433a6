//! A breaker per client: while the provider does not accept our client, one account in turn tries and the others wait.

use crate::{AccountKey, Moment, backoff::cooldown, mutant};

/// The breaker of one client at one token endpoint, in one process.
///
/// One account's complaint about our client may be about that account: some providers answer `invalid_client` for a
/// single one. Three different accounts in a row are about us.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Breaker {
    accusers: Vec<AccountKey>,
    closed_until: Option<Moment>,
    strikes: u8,
}

impl Breaker {
    /// The end of the time in which nothing is tried; `None` while it lets attempts through.
    pub fn hold(&self, now: Moment) -> Option<Moment> {
        self.closed_until.filter(|until| *until > now)
    }

    /// Returns true if this attempt may go out. Of those who come once the time is over, the first one does.
    pub fn admits(&mut self, now: Moment, jitter: u16) -> bool {
        if self.hold(now).is_some() {
            return false;
        }
        if self.closed_until.is_some() && !mutant("everybody_probes") {
            self.closed_until = Some(now + cooldown(self.strikes, jitter));
        }
        true
    }

    /// Records that the provider did not accept our client when this account was refreshed.
    pub fn accuse(&mut self, account: AccountKey, now: Moment, jitter: u16) {
        if !self.accusers.contains(&account) && self.accusers.len() < ACCUSERS {
            self.accusers.push(account);
        }
        let needed = if mutant("one_account_closes_a_provider") { 1 } else { ACCUSERS };
        if self.accusers.len() >= needed {
            self.closed_until = Some(now + cooldown(self.strikes, jitter));
            self.strikes = self.strikes.saturating_add(1);
        }
    }

    /// Records that the provider accepted our client, whatever it answered about the account.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

const ACCUSERS: usize = 3;

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Account;

    fn key(id: &str) -> AccountKey {
        Account::new("p", id).expect("valid").key()
    }

    const NOW: Moment = Moment::from_micros(1_000_000_000);

    /// B2.
    #[test]
    fn one_account_alone_never_stops_the_others() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.accuse(key("a"), NOW, 0);
        }
        assert!(breaker.admits(NOW, 0));
    }

    #[test]
    fn three_accounts_in_a_row_stop_all_and_then_one_in_turn_tries() {
        let mut breaker = Breaker::default();
        for id in ["a", "b", "c"] {
            assert!(breaker.admits(NOW, 0));
            breaker.accuse(key(id), NOW, 0);
        }
        assert!(!breaker.admits(NOW, 0));
        let later = breaker.hold(NOW).expect("closed");
        assert!(breaker.admits(later, 0), "one tries");
        assert!(!breaker.admits(later, 0), "the others wait for what it finds");
    }

    #[test]
    fn any_other_answer_opens_it() {
        let mut breaker = Breaker::default();
        for id in ["a", "b", "c"] {
            breaker.accuse(key(id), NOW, 0);
        }
        breaker.clear();
        assert!(breaker.admits(NOW, 0));
        breaker.accuse(key("d"), NOW, 0);
        assert!(breaker.admits(NOW + Duration::ZERO, 0), "the count starts anew");
    }
}
