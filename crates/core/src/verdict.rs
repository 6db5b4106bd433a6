//! The verdict on an account: its next step.

use serde::{Deserialize, Serialize};

use crate::{Generation, Replay, Window, mutant};

/// The next step of an account, as long as its generation is current.
///
/// `T` is a [`StoreTime`](crate::StoreTime) in the row, a [`Moment`](crate::Moment) in this process, and a
/// [`Duration`](std::time::Duration) (time left) while it travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Verdict<T> {
    /// The generation it is about; void for any other.
    pub generation: Generation,
    /// The decision. Stored and shared under the name `ruling`.
    #[serde(rename = "ruling")]
    pub decision: Decision<T>,
    /// The number of failures in a row that led here: the step of the cooldown ladder.
    #[serde(default)]
    pub strikes: u8,
}

impl<T> Verdict<T> {
    /// The same verdict on another clock.
    pub fn map<U>(self, time: impl FnOnce(T) -> U) -> Verdict<U> {
        let decision = match self.decision {
            Decision::LogIn { why } => Decision::LogIn { why },
            Decision::NotBefore { at, why } => Decision::NotBefore { at: time(at), why },
        };
        Verdict { generation: self.generation, decision, strikes: self.strikes }
    }
}

impl Verdict<crate::Moment> {
    /// A verdict to wait, no failure counted.
    pub(crate) fn not_before(generation: Generation, at: crate::Moment, why: Delay) -> Self {
        Self { generation, decision: Decision::NotBefore { at, why }, strikes: 0 }
    }
}

impl Verdict<crate::StoreTime> {
    /// Returns true if it has not ended at this instant.
    pub(crate) fn stands(&self, now: crate::StoreTime) -> bool {
        !matches!(self.decision, Decision::NotBefore { at, .. } if at <= now)
    }
}

/// The two decisions that a verdict can hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision<T> {
    /// Only a new login restores the account.
    LogIn {
        /// The cause of the grant's end.
        why: Revocation,
    },
    /// No refresh before this instant.
    NotBefore {
        /// The instant.
        at: T,
        /// The reason to wait.
        why: Delay,
    },
}

/// The reason for which a refresh has to wait.
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
    /// The provider's answers are not understood: few accounts are tried there.
    #[error("the provider's answers are not understood")]
    Unread,
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
            Self::Unread => "unread",
            Self::StoreDown => "store_down",
            Self::JustRefreshed => "just_refreshed",
            Self::NewerFormat => "newer_format",
            Self::RejectedAgain => "rejected_again",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// Returns true if something that the provider answered, or did not, is the cause.
    pub fn is_by_provider(self) -> bool {
        matches!(
            self,
            Self::InDoubt | Self::RateLimited | Self::ProviderDown | Self::Unreachable | Self::OurFault
        )
    }

    /// Returns true if it may end before its time, by a notification from whoever is at work.
    pub fn may_end_early(self) -> bool {
        matches!(self, Self::InFlight)
    }
}

/// The cause of a grant's end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Revocation {
    /// The provider refused the refresh token for good.
    #[error("the provider refused the refresh token")]
    Refused,
    /// The provider reports that the refresh token was used before.
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
    /// The provider reports that the refresh token was used before, and by the row it was presented here only once:
    /// somebody else, who shares nothing with this fleet, holds the same login.
    #[error("somebody else used the refresh token: here it was presented only once")]
    RotatedElsewhere,
    /// The provider refused the refresh token after an attempt of ours whose answer never came, and which used it up.
    #[error("the answer to an earlier refresh was lost, and the refresh token was used up with it")]
    AnswerLost,
    /// The provider answered the last refresh and the answer was not understood. It is kept; whoever can read it puts it
    /// into the row.
    #[error(
        "the provider's answer to the last refresh was not understood; it is kept and read again at every start"
    )]
    AnswerUnread,
}

/// The use of a refresh token before it was presented, by the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Past {
    /// Nothing.
    Untouched,
    /// It was presented, or about to be, and nothing is open of that.
    Presented,
    /// An earlier presentation has no known outcome.
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
            Self::RotatedElsewhere => "rotated_elsewhere",
            Self::AnswerLost => "answer_lost",
            Self::AnswerUnread => "answer_unread",
        }
    }

    /// The cause that a refusal has in view of the token's use here before. Nobody is blamed where the provider does
    /// not report that the token was used, nor where it may have been used here.
    pub(crate) fn in_view_of(self, past: Past, replay: Replay) -> Self {
        let uses_up = !matches!(replay.window(), Window::Always | Window::UntilUsed);
        match (self, past) {
            (Self::Reused, Past::Untouched) => Self::RotatedElsewhere,
            (Self::Reused, _) if mutant("own_reuse_is_blamed_on_others") => Self::RotatedElsewhere,
            (Self::Refused, Past::Untouched) if mutant("any_refusal_is_blamed_on_others") => {
                Self::RotatedElsewhere
            }
            (Self::Refused | Self::Reused, Past::InDoubt) if uses_up => Self::AnswerLost,
            _ => self,
        }
    }

    /// Returns true if it is written into rows, for all replicas at once. That there is no refresh token each sees by
    /// itself.
    pub fn is_written(self) -> bool {
        self != Self::NoRefreshToken
    }

    /// Returns true if it explains more than the provider would if it were asked again.
    pub(crate) fn is_explained(self) -> bool {
        matches!(self, Self::RotatedElsewhere | Self::AnswerLost | Self::AnswerUnread)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn somebody_else_is_named_only_where_reuse_is_reported_of_a_token_that_was_presented_once() {
        use Revocation::{AnswerLost, Expired, Refused, Reused, RotatedElsewhere};
        let strict = Replay::STRICT_FAMILY;
        for (reported, past, replay, cause) in [
            (Reused, Past::Untouched, strict, RotatedElsewhere),
            (Reused, Past::Untouched, Replay::NON_ROTATING, RotatedElsewhere),
            (Refused, Past::Untouched, strict, Refused),
            (Expired, Past::Untouched, strict, Expired),
            (Reused, Past::Presented, strict, Reused),
            (Refused, Past::Presented, strict, Refused),
            (Reused, Past::InDoubt, strict, AnswerLost),
            (Refused, Past::InDoubt, strict, AnswerLost),
            (Refused, Past::InDoubt, Replay::grace(std::time::Duration::from_secs(30)), AnswerLost),
            (Expired, Past::InDoubt, strict, Expired),
            // There a lost answer uses nothing up.
            (Refused, Past::InDoubt, Replay::NON_ROTATING, Refused),
            (Reused, Past::InDoubt, Replay::UNTIL_USED, Reused),
        ] {
            assert_eq!(reported.in_view_of(past, replay), cause, "{reported:?} {past:?} {replay:?}");
        }
    }

    #[test]
    fn what_older_versions_wrote_reads_back_and_each_reason_has_one_word() {
        for why in ["refused", "reused", "expired", "no_refresh_token", "in_doubt"] {
            let stored = format!(r#"{{"generation":7,"ruling":{{"log_in":{{"why":"{why}"}}}},"strikes":2}}"#);
            let verdict: Verdict<crate::StoreTime> = serde_json::from_str(&stored).unwrap();
            let Decision::LogIn { why: read } = verdict.decision else { panic!("{verdict:?}") };
            assert_eq!((read.name(), serde_json::to_string(&verdict).unwrap()), (why, stored));
        }
        for why in [Revocation::RotatedElsewhere, Revocation::AnswerLost, Revocation::AnswerUnread] {
            assert_eq!(serde_json::to_string(&why).unwrap(), format!("{:?}", why.name()));
        }
    }
}
