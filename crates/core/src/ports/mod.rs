//! The contracts of the protocol with its environment.
//!
//! Each port has at least two real implementations; the conformance lists in `solekey-conformance` are their meaning in
//! executable form.

mod answers;
mod cache;
mod change_feed;
mod clock;
mod endpoint;
mod lease;
mod rate_limiter;
mod store;

pub use answers::{Answers, Registration};
pub use cache::{Cache, CacheEntry, CachedToken, Publication};
pub use change_feed::{ChangeFeed, Heard, Listen};
pub use clock::Clock;
pub use endpoint::{ExchangeRequest, TokenEndpoint, Wire, WirePhase};
pub use lease::{Lease, LeaseReply};
pub use rate_limiter::{RateLimiter, Start, StartDelay, StartReply, StartRequest};
pub use store::{Loaded, LoggedIn, Page, Record, Store, StoreError, StoreIdentity};

/// The cause of a port's trouble, kept as the source of its error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A port could not carry out its operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Nothing was changed: the request never reached the other side, or was refused there.
    #[error("not applied")]
    NotApplied(#[source] BoxError),
    /// The request may or may not have been carried out.
    #[error("outcome unknown")]
    Unknown(#[source] BoxError),
}

impl Trouble {
    /// Trouble that left everything as it was.
    pub fn not_applied(source: impl Into<BoxError>) -> Self {
        Self::NotApplied(source.into())
    }

    /// Trouble that may have changed something.
    pub fn unknown(source: impl Into<BoxError>) -> Self {
        Self::Unknown(source.into())
    }
}
