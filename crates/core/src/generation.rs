//! The one number that orders everything about an account.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{StoreTime, mutant};

/// One growing number per account, minted by the store with every login, delete and attempt.
///
/// A credential carries the generation that made it; an attempt is named by the generation it would make. Numbers
/// never repeat and only grow, also over delete and re-creation, because the store's clock is part of the minting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// Before every minted generation.
    pub const ZERO: Self = Self(0);

    /// From its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// As a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next generation: above the last minted one, not below the lease's fence, not below the store's clock.
    pub fn mint(last: Self, fence: Option<Fence>, now: StoreTime) -> Self {
        let after_last = last.0.saturating_add(1);
        let fence = fence.map_or(0, Fence::get);
        if mutant("generation_is_a_counter") {
            return Self(after_last);
        }
        Self(after_last.max(fence).max(now.as_micros()))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}

/// A number that grows with every grant of a lease: lower bound of the next generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fence(u64);

impl Fence {
    /// From its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// As a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}
