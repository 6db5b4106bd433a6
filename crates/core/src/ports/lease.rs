//! The lease: the right to try first.

use std::time::Duration;

use async_trait::async_trait;

use super::Trouble;
use crate::{Account, ClaimId, Fence};

/// A time-bounded right to try, with the semantics of `SET key token NX PX ttl`.
///
/// A lease by itself is not mutual exclusion: it can be lost without notice. Nothing that matters rests on it.
#[async_trait]
pub trait Lease: Send + Sync + 'static {
    /// Takes the lease for `ttl`, counted by the server from when it executes the request. Idempotent by `token`.
    ///
    /// Each grant's fence is greater than every earlier one of the account, and than `floor`. A request that is
    /// executed after the caller gave up on it must not leave a lease behind.
    async fn acquire(
        &self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble>;

    /// Releases the lease if `token` still holds it; otherwise changes nothing.
    async fn release(&self, account: &Account, token: ClaimId) -> Result<(), Trouble>;
}

/// The server's reply to an acquire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LeaseReply {
    /// The lease is ours.
    Granted {
        /// Grows with every grant.
        fence: Fence,
    },
    /// Somebody else holds it.
    Busy {
        /// The time left to them, by the server's clock.
        remaining: Duration,
    },
}
