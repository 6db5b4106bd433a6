//! The words of a lease: who holds it, and in which order.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use uuid::Uuid;

/// The token of a lease's holder: unique per acquire, so that a retry is recognised and a release never frees another
/// holder's lease.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken(Uuid);

impl LeaseToken {
    /// A token nobody has used.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The token as it stands in Redis.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for LeaseToken {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

/// Whoever knows a token can release the lease, hence it stays out of logs.
impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseToken(..)")
    }
}

/// A number that grows with every grant of a lease, also over `FLUSHALL`, failover and a server clock that steps back.
///
/// Hand it to whatever you write to, and let that refuse numbers at or below one it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(NonZeroU64);

impl Fence {
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number, below 2^53.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The server's reply to an acquire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The token holds the lease, by this request or by an earlier one.
    Granted {
        /// The number of this grant; a repeated request gets the same one.
        fence: Fence,
        /// The rest of the lease at the time of the server's reply.
        remaining: Duration,
    },
    /// Somebody else holds it.
    Busy {
        /// The rest of their lease at the time of the server's reply.
        remaining: Duration,
    },
    /// The request reached the server after its not-after instant, or after its own token was released. Nothing was
    /// written.
    Late,
}

/// The server's reply to a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The lease lasts for its whole time from here on.
    Renewed,
    /// The token does not hold the lease any more.
    Lost,
    /// The request reached the server after its not-after instant. Nothing was written.
    Late,
}

/// The server's reply to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The token held the lease until now.
    Released,
    /// The token did not hold the lease any more: it had run out, and somebody else may have held it since.
    Lost,
}
