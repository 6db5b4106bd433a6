//! The errors of leases, sorted by what the caller does next.

use std::time::Duration;

use solekey_redis_link::LinkError;

/// The reason why no lease was acquired.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// Somebody else holds it; try again when it may be free.
    #[error("the lease is held by somebody else")]
    Busy {
        /// The rest of their lease at the time of the server's reply.
        remaining: Duration,
    },
    /// The server saw every request after its not-after instant; nothing was written.
    #[error("the requests reached the server too late")]
    Late,
    /// The lease was granted, but nothing was left of it when the answer was here.
    #[error("the lease was over when its grant arrived")]
    Lost,
    /// A request may have been executed, and its fate could not be found out in time. The lease is released in the
    /// background if it exists, and ends by its time at the latest.
    #[error("it is not known whether the lease was granted")]
    Ambiguous,
    /// Redis cannot be asked; nothing was written.
    #[error(transparent)]
    Transport(LinkError),
    /// The request can never succeed.
    #[error("{field}: expected {expected}")]
    Invalid {
        /// The argument that is wrong.
        field: &'static str,
        /// The value that belongs there.
        expected: &'static str,
    },
}

/// The lease is over, or there is too little left of it. Whoever acted under it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease is lost")]
pub struct LeaseLost;

/// The reason why a lease was not prolonged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// It is over.
    #[error(transparent)]
    Lost(#[from] LeaseLost),
    /// The server gave no usable answer; the lease lasts as long as it did before.
    #[error(transparent)]
    Transport(LinkError),
}
