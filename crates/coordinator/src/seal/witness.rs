//! The answer that made a row: as long as it is kept, its location has lost nothing since.
//!
//! An account's answers are one value in Redis. A server that was short of memory, or somebody who can write there, removes
//! all of them at once; then the answer that made the row is missing, too, and "nothing there" means nothing.

use std::time::Duration;

use solekey_core::{Answer, AnswerNote, Content, Found, KEEP_ANSWERS, Row, Sealed, StoreTime, mutant};

/// The answer that made a row, as it was read.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) answer: Answer,
    made_at: StoreTime,
    read_at: StoreTime,
    standing: Standing,
}

/// The state of the row that an answer made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    AtRest,
    InFlight,
    InDoubt,
}

impl Witness {
    /// The answer that made this row, read at the store's `now`; none of a tombstone.
    pub(crate) fn of(row: &Row, payload: Sealed, now: StoreTime) -> Option<Self> {
        let facts = row.facts?;
        let left = facts.as_of(now);
        let note = AnswerNote {
            attempt: row.generation,
            claim: row.made_by,
            made_from: row.made_from,
            content: if row.is_by_login() { Content::LoggedIn(left) } else { Content::Rotated(left) },
            access_ends: facts.expires_at,
        };
        let standing = match row.open {
            None => Standing::AtRest,
            Some(open) if open.in_flight(now) => Standing::InFlight,
            Some(_) => Standing::InDoubt,
        };
        Some(Self { answer: Answer { note, payload }, made_at: facts.made_at, read_at: now, standing })
    }

    /// What was found, believed no further than the location is shown to have kept everything.
    pub(crate) fn limit(&self, found: Found) -> Found {
        if self.standing == Standing::InDoubt
            && self.is_missing(&found)
            && !mutant("missing_witness_is_no_doubt")
        {
            return Found { kept_since: found.kept_since.max(self.read_at), ..found };
        }
        found
    }

    /// Returns true if the answer is to be written again: it is not there, and there is nothing yet that it would vouch for.
    pub(crate) fn is_wanted(&self, found: &Found) -> bool {
        let at_rest = self.standing == Standing::AtRest && !mutant("missing_witness_is_not_written");
        at_rest && self.is_absent(found)
    }

    fn is_missing(&self, found: &Found) -> bool {
        self.is_absent(found) && found.kept_since <= self.made_at
    }

    fn is_absent(&self, found: &Found) -> bool {
        let newest = found.newest.as_ref().map(|answer| answer.note.attempt);
        newest < Some(self.answer.note.attempt) && self.read_at < self.made_at + SURELY_KEPT
    }
}

/// An answer is kept for longer; a day is left for its commit, and for clocks.
const SURELY_KEPT: Duration = Duration::from_secs(KEEP_ANSWERS.as_secs() - 24 * 60 * 60);
