//! One presentation of a refresh token, as the row remembers it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Fence, Fingerprint, Generation, StoreTime};

/// The name of one change to a row: makes the change idempotent, and is how an owner recognises its own attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimId(Uuid);

impl ClaimId {
    /// From random bits that nobody else draws.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Its bits.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

impl fmt::Debug for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "claim {}", self.0.simple())
    }
}

/// An attempt that is neither settled nor committed: in flight before `until`, in doubt after it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Open {
    /// The claim that opened it.
    pub id: ClaimId,
    /// The generation it would make.
    pub attempt: Generation,
    /// The first attempt made from the row's generation; windows of grace count from there.
    pub first: First,
    /// The end of the time in which its request may be under way.
    pub until: StoreTime,
    /// The reason for presenting the refresh token.
    pub cause: Cause,
}

impl Open {
    /// Returns true if no earlier attempt of the same generation may have been processed.
    pub fn is_first(&self) -> bool {
        self.first.attempt == self.attempt
    }

    /// Returns true if its request may still be under way at `now`.
    pub fn in_flight(&self, now: StoreTime) -> bool {
        now < self.until
    }
}

/// The attempt that presented the row's refresh token first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct First {
    /// Its name.
    pub attempt: Generation,
    /// The time of its claim.
    pub at: StoreTime,
}

impl First {
    /// What a store has forgotten: a claim made before now, perhaps.
    pub(crate) fn forgotten(now: StoreTime) -> Self {
        Self { attempt: Generation::ZERO, at: now }
    }

    /// Returns true if the store has forgotten whether there was one.
    pub fn is_forgotten(&self) -> bool {
        self.attempt == Generation::ZERO
    }
}

/// The reason for presenting a refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The access token nears its end.
    Due,
    /// The resource refused the access token (RFC 6750 `invalid_token`).
    Rejected,
    /// A person requested it.
    Operator,
    /// None that is known: the store has forgotten whether somebody was presenting it.
    Forgotten,
}

/// A request to open an attempt. Refused as moved unless the row is as it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Claim {
    /// Names the attempt; repeating a claim changes nothing.
    pub id: ClaimId,
    /// The generation whose refresh token is presented.
    pub from: Generation,
    /// The open attempt that was seen, in doubt; `None` when none was.
    pub seen: Option<ClaimId>,
    /// The lease's fence, where there is a lease.
    pub fence: Option<Fence>,
    /// The time for which the attempt may be in flight.
    pub span: Duration,
    /// A claim executed later than this is refused: its owner has given up on it.
    pub not_after: StoreTime,
    /// The reason.
    pub cause: Cause,
    /// The refresh token about to be presented.
    pub presents: Fingerprint,
}
