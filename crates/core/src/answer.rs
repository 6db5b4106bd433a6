//! What a token endpoint said, kept beside the store until the row has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ClaimId, Generation, NewFacts, Sealed, StoreTime};

/// One answer, named by account, attempt and claim: created once, never overwritten.
///
/// An answer newer than the row is the row's future: whoever loads the row commits the newest one first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Which change of the account this is; the part the protocol reasons about.
    pub note: AnswerNote,
    /// The whole credential it made, sealed by the coordinator; empty for a delete.
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
    /// What kind of change it is.
    pub content: Content,
    /// When its access token ends, on the store's clock as its writer knows it: an answer that is written late, on
    /// another clock, makes no token live longer. `None` where nothing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_ends: Option<StoreTime>,
}

impl AnswerNote {
    /// What is left of it when the store's clock shows `now`.
    pub(crate) fn by(self, now: StoreTime) -> Self {
        let left = self.access_ends.map(|end| end.since(now));
        Self { content: self.content.shortened(left), ..self }
    }
}

/// What a change puts into the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A rotated pair; times as of the answer's writing.
    Rotated(NewFacts),
    /// A login; times as of the answer's writing.
    LoggedIn(NewFacts),
    /// A delete.
    Deleted,
    /// The endpoint answered something without a usable token: kept for the operator, counts as absent.
    Unusable,
}

impl Content {
    /// The credential's facts, when it holds one.
    pub fn facts(&self) -> Option<NewFacts> {
        match self {
            Self::Rotated(facts) | Self::LoggedIn(facts) => Some(*facts),
            Self::Deleted | Self::Unusable => None,
        }
    }

    /// The same content with an access token that lives for `left` at most.
    fn shortened(self, left: Option<Duration>) -> Self {
        match self {
            Self::Rotated(facts) => Self::Rotated(facts.shortened(left)),
            Self::LoggedIn(facts) => Self::LoggedIn(facts.shortened(left)),
            Self::Deleted | Self::Unusable => self,
        }
    }

    /// The same content `passed` later.
    pub fn aged(self, passed: Duration) -> Self {
        match self {
            Self::Rotated(facts) => Self::Rotated(facts.aged(passed)),
            Self::LoggedIn(facts) => Self::LoggedIn(facts.aged(passed)),
            Self::Deleted | Self::Unusable => self,
        }
    }
}

/// What a look at the answers found, definitely.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The newest usable answer, its times aged to the moment of reading.
    pub newest: Option<Answer>,
    /// The place has kept everything since then (on the store's clock): for attempts claimed earlier, "nothing
    /// there" is doubt.
    pub kept_since: StoreTime,
}
