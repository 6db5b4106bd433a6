//! What a caller needs a token to be.

use std::time::Duration;

use crate::{Fingerprint, Freshness, Generation, mutant};

/// What would satisfy whoever waits for a flight.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Need {
    /// A token valid beyond its skew.
    Valid,
    /// A token that need not be refreshed soon: the background's need.
    RefreshedAhead,
    /// As [`RefreshedAhead`](Self::RefreshedAhead), and no attempt in doubt, nor a refresh token half-way to its end, which
    /// only the row can tell: the need of whoever looks after accounts that nobody asks for.
    Resolved,
    /// A token other than one the resource refused: newer, and another string.
    NotThis {
        /// The rejected token's generation; zero when only its string is known.
        generation: Generation,
        /// The rejected token.
        access: Fingerprint,
    },
    /// A token of this generation or a newer one.
    AtLeast(Generation),
    /// A refresh now, because a person asked: newer than what they saw.
    Now {
        /// What they saw; without it any success of the last [`SETTLED_FOR`] will do.
        seen: Option<Generation>,
    },
}

/// No account rotates again within this time of a success, unless rejected or asked to by a person: a provider that
/// hands out tokens already expired would otherwise rotate with every request.
pub const SETTLED_FOR: Duration = Duration::from_secs(5);

/// What is known of a token that might do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Candidate {
    /// The generation that made it.
    pub generation: Generation,
    /// The token.
    pub access: Fingerprint,
    /// How usable it is.
    pub freshness: Freshness,
}

impl Need {
    /// Whether this token is good enough. What has been rejected by others is the caller's business.
    pub fn is_met_by(self, candidate: &Candidate) -> bool {
        let Candidate { generation, access, freshness } = *candidate;
        let usable = freshness >= Freshness::Ahead;
        match self {
            Self::Valid => usable,
            Self::RefreshedAhead | Self::Resolved => freshness == Freshness::Fresh,
            Self::NotThis { generation: rejected, access: token } => {
                let newer = generation > rejected || mutant("older_token_is_adopted");
                usable && newer && (access != token || mutant("rejected_string_is_returned"))
            }
            Self::AtLeast(least) => usable && generation >= least,
            Self::Now { seen } => usable && seen.is_some_and(|seen| generation > seen),
        }
    }

    /// Whether a token that is valid but no longer good enough may be served to this caller as stale.
    pub fn accepts_stale(self, generation: Generation, access: Fingerprint) -> bool {
        match self {
            Self::Valid | Self::RefreshedAhead | Self::Resolved => true,
            Self::NotThis { generation: rejected, access: token } => generation > rejected && access != token,
            Self::AtLeast(least) => generation >= least,
            Self::Now { .. } => false,
        }
    }

    /// Whether nobody waits for it: what holds it up may be no reason to keep a caller waiting.
    pub fn is_behind(self) -> bool {
        matches!(self, Self::RefreshedAhead | Self::Resolved)
    }

    /// The rejection this need carries.
    pub fn rejection(self) -> Option<(Generation, Fingerprint)> {
        match self {
            Self::NotThis { generation, access } => Some((generation, access)),
            Self::Valid | Self::RefreshedAhead | Self::Resolved | Self::AtLeast(_) | Self::Now { .. } => None,
        }
    }
}

#[cfg(test)]
mod laws;
