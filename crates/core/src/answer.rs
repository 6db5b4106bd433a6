//! The answer of a token endpoint, kept outside the store until the row has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ClaimId, Generation, NewFacts, Sealed, StoreTime};

/// One answer, named by account, attempt and claim: created once, never overwritten.
///
/// An answer newer than the row is the row's future: whoever loads the row commits the newest one first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The change of the account; the part the protocol reasons about.
    pub note: AnswerNote,
    /// The whole credential it made, or what came instead and was not understood, sealed by the coordinator; empty for
    /// a delete.
    pub payload: Sealed,
}

/// The part of an answer that the protocol reasons about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct AnswerNote {
    /// The generation it makes.
    pub attempt: Generation,
    /// The claim, login or delete it came from.
    pub claim: ClaimId,
    /// The generation it was made from.
    pub made_from: Generation,
    /// The kind of change.
    pub content: Content,
    /// The end of its access token, on the store's clock as its writer knows it: an answer that is written late, on
    /// another clock, makes no token live longer. `None` where it is not known. Of one that was not understood, the time
    /// before its request was sent: whoever reads it later counts from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_ends: Option<StoreTime>,
}

impl AnswerNote {
    /// The same note with no more time left than `shown` leaves: the one as it was written, and as its location ages it.
    pub fn aged_like(self, shown: &Self) -> Self {
        let Some(shown) = shown.content.facts() else { return self };
        Self { content: self.content.no_longer_than(&shown), ..self }
    }

    /// The same note, aged to the store's time `now`.
    pub(crate) fn by(self, now: StoreTime) -> Self {
        let left = self.access_ends.map(|end| end.since(now));
        Self { content: self.content.shortened(left), ..self }
    }
}

/// The note of an answer that was not understood.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UnreadNote {
    /// The generation that it would have made.
    pub attempt: Generation,
    /// The claim it came from.
    pub claim: ClaimId,
}

impl UnreadNote {
    /// The part of a note that counts where the answer was not understood.
    pub fn of(note: &AnswerNote) -> Self {
        Self { attempt: note.attempt, claim: note.claim }
    }
}

/// The content of a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A rotated pair; times as of the answer's writing.
    Rotated(NewFacts),
    /// A login; times as of the answer's writing.
    LoggedIn(NewFacts),
    /// A delete.
    Deleted,
    /// A whole answer in which no token was understood: kept as it came, for whoever can read it.
    Unread,
}

impl Content {
    /// Returns true if it says what becomes of the account.
    pub fn is_usable(&self) -> bool {
        !matches!(self, Self::Unread)
    }

    /// The credential's facts, when it holds one.
    pub fn facts(&self) -> Option<NewFacts> {
        match self {
            Self::Rotated(facts) | Self::LoggedIn(facts) => Some(*facts),
            Self::Deleted | Self::Unread => None,
        }
    }

    /// The same content with an access token that lives for `left` at most.
    fn shortened(self, left: Option<Duration>) -> Self {
        match self {
            Self::Rotated(facts) => Self::Rotated(facts.shortened(left)),
            Self::LoggedIn(facts) => Self::LoggedIn(facts.shortened(left)),
            Self::Deleted | Self::Unread => self,
        }
    }

    fn no_longer_than(self, shown: &NewFacts) -> Self {
        match self {
            Self::Rotated(facts) => Self::Rotated(facts.no_longer_than(shown)),
            Self::LoggedIn(facts) => Self::LoggedIn(facts.no_longer_than(shown)),
            Self::Deleted | Self::Unread => self,
        }
    }

    /// The same content `passed` later.
    pub fn aged(self, passed: Duration) -> Self {
        match self {
            Self::Rotated(facts) => Self::Rotated(facts.aged(passed)),
            Self::LoggedIn(facts) => Self::LoggedIn(facts.aged(passed)),
            Self::Deleted | Self::Unread => self,
        }
    }
}

/// The result of reading the answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The newest usable answer, its times aged to the moment of reading.
    pub newest: Option<Answer>,
    /// The newest answer that was not understood.
    pub unread: Option<Answer>,
    /// The location has kept everything since then (on the store's clock): for attempts claimed earlier, "nothing
    /// there" is doubt.
    pub kept_since: StoreTime,
}
