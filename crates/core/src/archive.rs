//! What stores keep of refresh tokens for longer than a row lists them.

use std::time::Duration;

use crate::{Fingerprint, Row, StoreTime, mutant};

/// The time for which a spent token is remembered after it left its row's list, unless refresh tokens of its account
/// live longer: more than the year after which the last providers forget a grant that nobody uses.
pub const SPENT_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// A refresh token that was presented and that its row no longer lists, as an archive keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Archived {
    /// The [first eight bytes](Fingerprint::short) of its fingerprint.
    pub token: u64,
    /// The last day, counted from 1970, on which it is remembered.
    pub until: u16,
}

impl Row {
    /// The tokens that a change made at `now` moved from the list of the row, as it was before, to the archive.
    pub fn archived_since(&self, before: &Self, now: StoreTime) -> Vec<Archived> {
        let gone = before.presented.iter().filter(|token| !self.presented.contains(token));
        let until = before.remembers_until(now);
        gone.filter(|_| !mutant("commit_does_not_archive"))
            .map(|token| Archived { token: token.short(), until })
            .collect()
    }

    fn remembers_until(&self, now: StoreTime) -> u16 {
        let life = self.facts.and_then(|facts| Some(facts.refresh_expires_at?.since(facts.made_at)));
        Archived::day(now + life.unwrap_or_default().max(SPENT_KEPT))
    }
}

impl Archived {
    /// The day of an instant.
    pub fn day(at: StoreTime) -> u16 {
        u16::try_from(at.as_micros() / DAY).unwrap_or(u16::MAX)
    }

    /// Whether the archive still remembers it.
    pub fn is_remembered(self, now: StoreTime) -> bool {
        self.until >= Self::day(now)
    }
}

impl Fingerprint {
    /// The first eight bytes, as a number. An archive of a hundred million tokens has one with the same ones as a token
    /// that is new in one of 10^11 logins, which is then refused and may be insisted on.
    pub fn short(self) -> u64 {
        let [first @ .., _, _, _, _, _, _, _, _] = self.bytes();
        u64::from_be_bytes(first)
    }
}

/// In microseconds.
const DAY: u64 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, MAX_PRESENTED};

    fn print(n: usize) -> Fingerprint {
        Fingerprint::new([u8::try_from(n).unwrap_or(u8::MAX); 16])
    }

    fn full(life: Option<Duration>) -> Row {
        let made_at = StoreTime::from_micros(DAY);
        let facts = Facts {
            access: print(200),
            refresh: Some(print(100)),
            made_at,
            expires_at: None,
            refresh_expires_at: life.map(|life| made_at + life),
        };
        Row { facts: Some(facts), presented: (0..MAX_PRESENTED).map(print).collect(), ..Row::empty() }
    }

    #[test]
    fn what_falls_out_of_the_list_is_archived_for_as_long_as_a_refresh_token_may_live() {
        let day = Duration::from_secs(86_400);
        let now = StoreTime::from_micros(10 * DAY);
        for (life, until) in [(None, 410), (Some(30 * day), 410), (Some(800 * day), 810)] {
            let before = full(life);
            let mut after = before.clone();
            after.presented.insert(0, print(100));
            after.presented.truncate(MAX_PRESENTED);
            let archived = after.archived_since(&before, now);
            let oldest = print(MAX_PRESENTED - 1).short();
            assert_eq!(archived, [Archived { token: oldest, until }], "{life:?}");
            assert!(
                archived
                    .iter()
                    .all(|token| token.is_remembered(StoreTime::from_micros(u64::from(until) * DAY)))
            );
            assert!(
                !archived
                    .iter()
                    .any(|token| token.is_remembered(StoreTime::from_micros(u64::from(until + 1) * DAY)))
            );
            assert_eq!(before.archived_since(&before, now), []);
        }
    }

    #[test]
    fn a_life_without_end_is_remembered_to_the_last_day_there_is() {
        let before = full(Some(Duration::from_secs(u64::MAX / 2_000_000)));
        let after = Row { presented: Vec::new(), ..before.clone() };
        let archived = after.archived_since(&before, StoreTime::from_micros(DAY));
        assert!(archived.iter().all(|token| token.until == u16::MAX) && archived.len() == MAX_PRESENTED);
    }
}
