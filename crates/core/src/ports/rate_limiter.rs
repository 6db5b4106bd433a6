//! The rate at which refreshes are started that nobody waits for.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Trouble;
use crate::{Admission, BreakerRequest, ClaimId, Limits};

/// The starts that all replicas share at each provider. Its meaning is [`TokenBucket`](crate::TokenBucket), by a
/// clock of its own.
///
/// Nothing that matters rests on it: the store decides who may present a refresh token. A process that cannot ask
/// keeps to the share of a fleet that it had last.
#[async_trait]
pub trait RateLimiter: Send + Sync + 'static {
    /// Requests one start. Granted, it takes one permit until [`release`](Self::release), or `request.ttl` without.
    /// Idempotent by `request.permit` while that is held.
    async fn request(&self, provider: &str, request: &StartRequest) -> Result<StartReply, Trouble>;

    /// Releases a permit; nothing happens to one that is not held.
    async fn release(&self, provider: &str, permit: ClaimId) -> Result<(), Trouble>;

    /// Records refreshes that were started without asking, because somebody waits for them: those who ask yield.
    async fn record(&self, provider: &str, starts: u32, limits: Limits) -> Result<(), Trouble>;

    /// Grants nothing for so long, because the provider demands a pause. Never shortens an earlier pause.
    async fn pause(&self, provider: &str, span: Duration) -> Result<(), Trouble>;

    /// Performs a request to the breaker of an endpoint whose answers were not understood. Its meaning is
    /// [`UnreadBreaker`](crate::UnreadBreaker), by a clock of its own. A breaker that was lost is open.
    async fn breaker(&self, endpoint: &str, request: BreakerRequest) -> Result<Admission, Trouble>;
}

/// A request to start a refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartRequest {
    /// The process that asks: the processes are counted by this.
    pub who: Uuid,
    /// Names the permit.
    pub permit: ClaimId,
    /// The limits in the asker's configuration.
    pub limits: Limits,
    /// The time after which the permit is free again although nobody released it.
    pub ttl: Duration,
}

/// The reply to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartReply {
    /// The decision on the start.
    pub start: Start,
    /// The number of processes that have asked of late, this one among them.
    pub replicas: u32,
}

/// The decision on a start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Now.
    Granted,
    /// Not now.
    Later {
        /// Ask again then.
        wait: Duration,
        /// The reason to wait.
        why: StartDelay,
    },
}

/// The reason for which a start has to wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StartDelay {
    /// The last start is too recent.
    Rate,
    /// All permits are taken; one may be released before the time in the reply.
    Permits,
    /// The provider demands a pause.
    Paused,
}
