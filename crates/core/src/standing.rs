//! The standing of a token that a process serves, by what the fleet knows of its account.

use crate::{Decision, Generation, Row, Verdict, ports::CacheEntry};

/// The standing of a served generation, by the shared cache or by the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// The account is not known there.
    Unknown,
    /// Nothing newer is known there.
    Current,
    /// The account was deleted with this generation: every older token is void.
    Deleted(Generation),
    /// A newer generation is there.
    Superseded,
}

impl CacheEntry {
    /// Returns the standing of the token of generation `served`. A deletion older than what is served is history: a
    /// login followed it of which this cache does not know yet.
    pub fn standing_of(&self, served: Generation) -> Standing {
        match self.known {
            None => Standing::Unknown,
            Some(known) if known <= served => Standing::Current,
            Some(known) if self.gone => Standing::Deleted(known),
            Some(_) => Standing::Superseded,
        }
    }

    /// Returns true if the access token of this generation is marked as rejected, or a newer one is.
    pub fn is_rejected(&self, generation: Generation) -> bool {
        self.rejected >= Some(generation)
    }

    /// The generation whose grant has ended: its token is the account's last one until somebody logs in.
    pub fn ended_grant(&self) -> Option<Generation> {
        match self.verdict? {
            Verdict { generation, decision: Decision::LogIn { .. }, .. } => Some(generation),
            Verdict { decision: Decision::NotBefore { .. }, .. } => None,
        }
    }
}

impl Row {
    /// Returns the standing of the token of generation `served`. A tombstone counts whatever is served: the store
    /// decides what exists.
    pub fn standing_of(&self, served: Generation) -> Standing {
        if self.is_gone() {
            return Standing::Deleted(self.generation);
        }
        if self.generation <= served { Standing::Current } else { Standing::Superseded }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::{ClaimId, Delay, Fingerprint, Login, NewFacts, Revocation, StoreTime};

    fn generation(number: u64) -> Generation {
        Generation::new(number)
    }

    #[test]
    fn the_shared_cache_shows_the_standing_of_a_served_token() {
        use Standing::{Current, Deleted, Superseded, Unknown};
        for (known, gone, standing) in [
            (None, false, Unknown),
            (Some(6), false, Current),
            (Some(7), false, Current),
            (Some(8), false, Superseded),
            (Some(6), true, Current),
            (Some(8), true, Deleted(generation(8))),
        ] {
            let entry = CacheEntry { known: known.map(generation), gone, ..CacheEntry::default() };
            assert_eq!(entry.standing_of(generation(7)), standing, "{entry:?}");
        }
    }

    #[test]
    fn a_mark_on_a_newer_token_counts_for_an_older_one() {
        for (rejected, is_rejected) in [(None, false), (Some(6), false), (Some(7), true), (Some(8), true)] {
            let entry = CacheEntry { rejected: rejected.map(generation), ..CacheEntry::default() };
            assert_eq!(entry.is_rejected(generation(7)), is_rejected, "{rejected:?}");
        }
    }

    #[test]
    fn only_a_verdict_that_demands_a_login_ends_a_grant() {
        let left = Duration::from_secs(30);
        for (decision, ended) in [
            (Some(Decision::LogIn { why: Revocation::Refused }), Some(generation(7))),
            (Some(Decision::NotBefore { at: left, why: Delay::RateLimited }), None),
            (None, None),
        ] {
            let verdict =
                decision.map(|decision| Verdict { generation: generation(7), decision, strikes: 0 });
            assert_eq!(CacheEntry { verdict, ..CacheEntry::default() }.ended_grant(), ended, "{decision:?}");
        }
    }

    #[test]
    fn the_row_shows_the_standing_of_a_served_token() {
        let id = |number| ClaimId::new(uuid::Uuid::from_u128(number));
        let facts = NewFacts {
            access: Fingerprint::new([1; 16]),
            refresh: None,
            expires_in: None,
            refresh_expires_in: None,
        };
        let now = StoreTime::from_micros(1_000_000);
        let mut row = Row::empty();
        let login = Login {
            id: id(1),
            facts,
            accept_spent: false,
            accept_lesser: false,
            amends: None,
            due_in: None,
            as_of: None,
        };
        row.login(&login, false, now).unwrap();
        let (before, of_row, after) = around(row.generation);
        assert_eq!(row.standing_of(before), Standing::Superseded);
        assert_eq!(row.standing_of(of_row), Standing::Current);
        assert_eq!(row.standing_of(after), Standing::Current);

        row.delete(id(2), now);
        let (before, of_row, after) = around(row.generation);
        for served in [before, of_row, after] {
            assert_eq!(row.standing_of(served), Standing::Deleted(row.generation), "{served}");
        }
    }

    fn around(generation: Generation) -> (Generation, Generation, Generation) {
        let number = generation.get();
        (Generation::new(number - 1), generation, Generation::new(number + 1))
    }
}
