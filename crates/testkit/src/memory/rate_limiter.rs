//! The starts that replicas share, in memory.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Admission, BreakerRequest, ClaimId, Limits, Moment, StoreTime, TokenBucket, UnreadBreaker,
    ports::{RateLimiter, Start, StartReply, StartRequest, Trouble},
};

use super::{Faults, MemoryClock, clock::moved, lock};

/// The starts that replicas share, in memory.
#[derive(Default, Debug)]
pub struct MemoryRateLimiter {
    clock: MemoryClock,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    buckets: BTreeMap<String, TokenBucket>,
    granted: BTreeMap<String, Vec<Moment>>,
    breakers: BTreeMap<String, UnreadBreaker>,
}

impl MemoryRateLimiter {
    /// Nothing was started; time is the wall clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing was started; time is this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Returns the switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns the times at which starts were granted at this provider, by this clock.
    #[doc(hidden)] // For tests of the refresher; a gateway's test reads the log of its authorization server.
    pub fn granted(&self, provider: &str) -> Vec<Moment> {
        lock(&self.state).granted.get(provider).cloned().unwrap_or_default()
    }

    /// The clock is stepped back, or forward by a negative number: what was written lies ahead by so much.
    #[doc(hidden)] // For the comparison with other rate limiters.
    pub fn step_back(&self, micros: i64) {
        let moved = |at: Moment| {
            Moment::from_micros(moved(StoreTime::from_micros(at.as_micros()), micros).as_micros())
        };
        lock(&self.state).buckets.values_mut().for_each(|bucket| bucket.move_instants(moved));
    }

    fn now(&self) -> Moment {
        Moment::from_micros(self.clock.now().as_micros())
    }

    fn at_bucket<T>(&self, provider: &str, work: impl FnOnce(&mut TokenBucket, Moment) -> T) -> T {
        let now = self.now();
        work(lock(&self.state).buckets.entry(provider.to_owned()).or_default(), now)
    }

    fn grant(&self, provider: &str, request: &StartRequest) -> StartReply {
        let reply = self.at_bucket(provider, |bucket, now| bucket.request(now, request));
        if reply.start == Start::Granted {
            let now = self.now();
            lock(&self.state).granted.entry(provider.to_owned()).or_default().push(now);
        }
        reply
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn request(&self, provider: &str, request: &StartRequest) -> Result<StartReply, Trouble> {
        self.faults.meet("request", || self.grant(provider, request)).await
    }

    async fn release(&self, provider: &str, permit: ClaimId) -> Result<(), Trouble> {
        self.faults.meet("release", || self.at_bucket(provider, |bucket, _| bucket.release(permit))).await
    }

    async fn record(&self, provider: &str, starts: u32, limits: Limits) -> Result<(), Trouble> {
        let record = || self.at_bucket(provider, |bucket, now| bucket.record(now, starts, limits));
        self.faults.meet("record", record).await
    }

    async fn pause(&self, provider: &str, span: Duration) -> Result<(), Trouble> {
        self.faults.meet("pause", || self.at_bucket(provider, |bucket, now| bucket.pause(now, span))).await
    }

    async fn breaker(&self, endpoint: &str, request: BreakerRequest) -> Result<Admission, Trouble> {
        let perform = || {
            let now = self.now();
            lock(&self.state).breakers.entry(endpoint.to_owned()).or_default().perform(request, now)
        };
        self.faults.meet("breaker", perform).await
    }
}
