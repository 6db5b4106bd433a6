//! What to do next about an account.

use serde::{Deserialize, Serialize};

use crate::Generation;

/// What to do next about an account, as long as its generation is current.
///
/// `T` is a [`StoreTime`](crate::StoreTime) in the row, a [`Moment`](crate::Moment) in this process, and a
/// [`Duration`](std::time::Duration) (time left) while it travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Verdict<T> {
    /// The generation it speaks about; void for any other.
    pub generation: Generation,
    /// What it says.
    pub ruling: Ruling<T>,
    /// How many failures in a row led here: the step of the cooldown ladder.
    #[serde(default)]
    pub strikes: u8,
}

impl<T> Verdict<T> {
    /// The same verdict on another clock.
    pub fn map<U>(self, time: impl FnOnce(T) -> U) -> Verdict<U> {
        let ruling = match self.ruling {
            Ruling::LogIn { why } => Ruling::LogIn { why },
            Ruling::NotBefore { at, why } => Ruling::NotBefore { at: time(at), why },
        };
        Verdict { generation: self.generation, ruling, strikes: self.strikes }
    }
}

impl Verdict<crate::StoreTime> {
    /// Whether it says anything at this instant.
    pub(crate) fn stands(&self, now: crate::StoreTime) -> bool {
        !matches!(self.ruling, Ruling::NotBefore { at, .. } if at <= now)
    }
}

/// The two things a verdict can say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling<T> {
    /// Only a new login restores the account.
    LogIn {
        /// What ended the grant.
        why: Revocation,
    },
    /// No refresh before this instant.
    NotBefore {
        /// The instant.
        at: T,
        /// What we wait for.
        why: Delay,
    },
}

/// Why a refresh has to wait.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delay {
    /// Another owner's attempt is under way.
    #[error("a refresh is under way")]
    InFlight,
    /// An attempt ended without a known outcome.
    #[error("the outcome of a refresh is in doubt")]
    InDoubt,
    /// The provider asked us to slow down.
    #[error("the provider limits the rate of refreshes")]
    RateLimited,
    /// The provider refused for a reason that passes.
    #[error("the provider is unavailable")]
    ProviderDown,
    /// The token endpoint could not be reached from this process.
    #[error("the token endpoint cannot be reached")]
    Unreachable,
    /// The provider does not accept our client.
    #[error("the provider does not accept our client credentials")]
    OurFault,
    /// The store cannot be read or written.
    #[error("the store is unavailable")]
    StoreDown,
    /// A success is so recent that another rotation would only burn tokens.
    #[error("the token was refreshed a moment ago")]
    JustRefreshed,
    /// The row was written by a newer version.
    #[error("the stored record needs a newer version")]
    NewerFormat,
    /// The resource rejects even the token made for its last complaint.
    #[error("the resource rejects a freshly refreshed token")]
    RejectedAgain,
    /// This process is draining.
    #[error("this replica is shutting down")]
    ShuttingDown,
}

impl Delay {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::InDoubt => "in_doubt",
            Self::RateLimited => "rate_limited",
            Self::ProviderDown => "provider_down",
            Self::Unreachable => "unreachable",
            Self::OurFault => "our_fault",
            Self::StoreDown => "store_down",
            Self::JustRefreshed => "just_refreshed",
            Self::NewerFormat => "newer_format",
            Self::RejectedAgain => "rejected_again",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// Whether the end may come before its time, by news from whoever is at work.
    pub fn may_end_early(self) -> bool {
        matches!(self, Self::InFlight)
    }
}

/// What ended a grant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Revocation {
    /// The provider refused the refresh token for good.
    #[error("the provider refused the refresh token")]
    Refused,
    /// The provider says the refresh token was used before.
    #[error("the provider says the refresh token was already used")]
    Reused,
    /// The refresh token's lifetime ended.
    #[error("the refresh token expired")]
    Expired,
    /// There is no refresh token, and the access token ended or was rejected.
    #[error("there is no refresh token")]
    NoRefreshToken,
    /// An attempt ended in doubt and policy asks for a login then.
    #[error("the outcome of a refresh stayed in doubt")]
    InDoubt,
}

impl Revocation {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reused => "reused",
            Self::Expired => "expired",
            Self::NoRefreshToken => "no_refresh_token",
            Self::InDoubt => "in_doubt",
        }
    }
}
