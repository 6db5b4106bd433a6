//! The needs of callers: which token satisfies whom.

use crate::{Fingerprint, Freshness, Generation, mutant};

/// A token that would satisfy whoever waits for a flight.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Need {
    /// A token valid beyond its skew.
    Valid,
    /// A token that need not be refreshed soon: the background's need.
    RefreshedAhead,
    /// As [`RefreshedAhead`](Self::RefreshedAhead), and no attempt in doubt, nor a refresh token half-way to its end,
    /// which only the row can show: the need of the tasks that maintain accounts nobody asks for.
    Resolved,
    /// A token other than one the resource refused: newer, and another string.
    NotThis {
        /// The rejected token's generation; zero when only its string is known.
        generation: Generation,
        /// The rejected token.
        access: Fingerprint,
    },
    /// A refresh now, because a person requested it: newer than what they saw.
    Now {
        /// The generation they saw; without it any success of the last [`SETTLED_FOR`] will do.
        seen: Option<Generation>,
    },
}

/// The time after a success in which no account rotates again, unless its token was rejected or a person requests it: a
/// provider that hands out tokens already expired would otherwise rotate with every request.
pub const SETTLED_FOR: std::time::Duration = std::time::Duration::from_secs(5);

/// A token that might satisfy a need, as far as the machine knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Candidate {
    /// The generation that made it.
    pub generation: Generation,
    /// The token.
    pub access: Fingerprint,
    /// Its usability.
    pub freshness: Freshness,
}

impl Need {
    /// Returns true if this token is good enough. Rejections by others are the caller's business.
    pub fn is_met_by(self, candidate: &Candidate) -> bool {
        let Candidate { generation, access, freshness } = *candidate;
        let fresh_enough = match self {
            Self::RefreshedAhead | Self::Resolved => freshness == Freshness::Fresh,
            Self::Valid | Self::NotThis { .. } | Self::Now { .. } => freshness >= Freshness::Ahead,
        };
        fresh_enough && self.accepts(generation, access)
    }

    /// Returns true if this need is met by a token of this generation and string, however long the token lives. The
    /// rule for a token that a flight with another need has delivered: only the flight of [`Now`](Self::Now) without
    /// a generation knows whether it has refreshed, hence no other flight's token meets that.
    pub fn accepts(self, generation: Generation, access: Fingerprint) -> bool {
        match self {
            Self::Valid | Self::RefreshedAhead | Self::Resolved => true,
            Self::NotThis { generation: rejected, access: token } => {
                let newer = generation > rejected || mutant("older_token_is_adopted");
                newer && (access != token || mutant("rejected_string_is_returned"))
            }
            Self::Now { seen } => seen.is_some_and(|seen| generation > seen),
        }
    }

    /// Returns true if a token that is valid but no longer good enough may be served to this caller as stale.
    pub fn accepts_stale(self, generation: Generation, access: Fingerprint) -> bool {
        !self.is_operator() && self.accepts(generation, access)
    }

    /// Returns true if a person requested a refresh: they may try in spite of a verdict or a cooldown.
    pub fn is_operator(self) -> bool {
        matches!(self, Self::Now { .. })
    }

    /// Returns true if nobody waits for it: a delay that it meets may be no reason to keep a caller waiting.
    pub fn is_behind(self) -> bool {
        matches!(self, Self::RefreshedAhead | Self::Resolved)
    }

    /// The rejection this need carries.
    pub fn rejection(self) -> Option<(Generation, Fingerprint)> {
        match self {
            Self::NotThis { generation, access } => Some((generation, access)),
            Self::Valid | Self::RefreshedAhead | Self::Resolved | Self::Now { .. } => None,
        }
    }
}

#[cfg(test)]
mod laws;
