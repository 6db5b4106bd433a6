//! The outcome of one presentation of a refresh token.

use std::time::Duration;

use crate::{Delay, Revocation};

/// The outcome of one exchange. `T` is the content of a success: tokens for the driver, facts for the machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome<T> {
    /// A usable answer.
    Success(T),
    /// Provably nothing left this process.
    NotSent,
    /// Nothing was sent, because of what the provider made of others: it does not accept our client, or its answers are
    /// not understood.
    Withheld(Delay),
    /// The provider does not accept our client; nothing follows for the account.
    OurFault,
    /// The provider refused before processing the token.
    Refused {
        /// The time after which it may be asked again, clamped to [`MAX_RETRY_AFTER`]; `None` when it gave none.
        retry_after: Option<Duration>,
        /// The reason.
        why: Delay,
    },
    /// The provider wants a proof with its nonce (RFC 9449); the token was not processed.
    NonceWanted,
    /// The provider does not let this client present this token, and there is another one; the token was not processed.
    OtherClient,
    /// The provider refused the token for good.
    Permanent(Revocation),
    /// A whole answer came in which a successor may be, and it was not understood: a 2xx without a token, one that mentions
    /// a refresh token which is none as it stands, a refusal with tokens in it. It is kept.
    Unread,
    /// The token may have been processed; we do not know.
    Ambiguous,
}

impl<T> Outcome<T> {
    /// Returns true if the provider has answered this presentation, in words that were understood.
    pub(crate) fn is_answer(&self) -> bool {
        !matches!(self, Self::NotSent | Self::Withheld(_) | Self::Unread | Self::Ambiguous)
    }

    /// Its name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Success(_) => "success",
            Self::NotSent => "not_sent",
            Self::Withheld(_) => "withheld",
            Self::OurFault => "our_fault",
            Self::Refused { .. } => "refused",
            Self::NonceWanted => "nonce_wanted",
            Self::OtherClient => "other_client",
            Self::Permanent(_) => "permanent",
            Self::Unread => "unread",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// The same outcome, its payload borrowed.
    pub fn as_ref(&self) -> Outcome<&T> {
        match self {
            Self::Success(value) => Outcome::Success(value),
            Self::NotSent => Outcome::NotSent,
            Self::Withheld(why) => Outcome::Withheld(*why),
            Self::OurFault => Outcome::OurFault,
            Self::Refused { retry_after, why } => Outcome::Refused { retry_after: *retry_after, why: *why },
            Self::NonceWanted => Outcome::NonceWanted,
            Self::OtherClient => Outcome::OtherClient,
            Self::Permanent(why) => Outcome::Permanent(*why),
            Self::Unread => Outcome::Unread,
            Self::Ambiguous => Outcome::Ambiguous,
        }
    }

    /// The same outcome with another payload.
    pub fn map<U>(self, success: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Success(value) => Outcome::Success(success(value)),
            Self::NotSent => Outcome::NotSent,
            Self::Withheld(why) => Outcome::Withheld(why),
            Self::OurFault => Outcome::OurFault,
            Self::Refused { retry_after, why } => Outcome::Refused { retry_after, why },
            Self::NonceWanted => Outcome::NonceWanted,
            Self::OtherClient => Outcome::OtherClient,
            Self::Permanent(why) => Outcome::Permanent(why),
            Self::Unread => Outcome::Unread,
            Self::Ambiguous => Outcome::Ambiguous,
        }
    }
}

/// The longest `Retry-After` that is believed: a longer one is taken for a mistake of some proxy.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);
