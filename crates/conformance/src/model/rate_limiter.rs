//! Comparison of a rate limiter with the one in memory.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, ClaimId, Limits, StoreTime,
    ports::{RateLimiter, Start, StartDelay, StartRequest},
};
use solekey_testkit::memory::{MemoryClock, MemoryRateLimiter};
use uuid::Uuid;

use super::{
    Backstage, Divergence, Outcome, Pairs,
    pick::{pick, rarely, step},
};

/// A rate limiter in Redis and one in memory.
pub struct RateLimiterPairs {
    adapter: Arc<dyn RateLimiter>,
    memory: MemoryRateLimiter,
    clock: MemoryClock,
    server: Backstage,
    /// The server's time after the last operation.
    last: StoreTime,
}

/// An operation on a rate limiter; numbers stand for providers, processes and permits.
#[derive(Clone, Debug)]
pub enum RateLimiterOperation {
    /// Requests a start.
    Request {
        /// The number of the provider.
        provider: usize,
        /// The number of the process.
        who: u128,
        /// The number of the permit.
        permit: u128,
        /// The starts a second, and the permits.
        limits: (u32, u32),
        /// The time for which the permit is held.
        ttl: Duration,
    },
    /// Gives a permit back.
    Release {
        /// The number of the provider.
        provider: usize,
        /// The number of the permit.
        permit: u128,
    },
    /// Counts starts that were not requested.
    Record {
        /// The number of the provider.
        provider: usize,
        /// So many.
        starts: u32,
    },
    /// Grants nothing for a while.
    Pause {
        /// The number of the provider.
        provider: usize,
        /// For so long.
        span: Duration,
    },
    /// The server's clock is stepped back; forward where this is negative.
    Step(i64),
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

impl RateLimiterPairs {
    /// `adapter` keeps its starts on `server`, under its prefix.
    pub fn new(adapter: Arc<dyn RateLimiter>, server: Backstage) -> Self {
        let clock = MemoryClock::standing(StoreTime::default());
        let memory = MemoryRateLimiter::with_clock(clock.clone());
        Self { adapter, memory, clock, server, last: StoreTime::default() }
    }

    async fn request(&mut self, provider: &str, request: &StartRequest) -> Result<Outcome, Divergence> {
        let actual = self.adapter.request(provider, request).await;
        self.goes_on(provider).await?;
        let expected = self.memory.request(provider, request).await;
        match (&actual, &expected) {
            (Ok(actual), Ok(expected)) if actual == expected => Ok(match actual.start {
                Start::Granted => "granted",
                Start::Later { why: StartDelay::Rate, .. } => "too soon",
                Start::Later { why: StartDelay::Permits, .. } => "no permit",
                Start::Later { .. } => "paused",
            }),
            _ => Err(Divergence::of(&actual, &expected)),
        }
    }

    /// Sets the memory's clock to the instant of the last operation, which the server notes.
    async fn goes_on(&mut self, provider: &str) -> Result<(), Divergence> {
        let seen = self.server.number(&["HGET", &self.starts(provider), "seen"]).await;
        let at = StoreTime::from_micros(seen.and_then(|seen| u64::try_from(seen).ok()).unwrap_or_default());
        let (before, after) = (self.last, self.server.now().await);
        self.last = after;
        self.clock.set(at);
        if (before..=after).contains(&at) { Ok(()) } else { Err(Divergence::of(&at, &(before, after))) }
    }

    fn starts(&self, provider: &str) -> String {
        let hash = Account::new(provider, "pace").expect("a valid name").key();
        format!("{}:pace:{hash}", self.server.prefix())
    }
}

#[async_trait]
impl Pairs for RateLimiterPairs {
    type Operation = RateLimiterOperation;

    const PORT: &'static str = "limiter";

    const OUTCOMES: &'static [Outcome] = &[
        "granted",
        "too soon",
        "no permit",
        "paused",
        "released",
        "recorded",
        "pauses",
        "clock stepped",
        "data lost",
        "scripts lost",
    ];

    fn draw(rng: &mut Rng) -> RateLimiterOperation {
        let (provider, permit) = (rng.usize(..2), rng.u128(..6));
        let length = |rng: &mut Rng| Duration::from_micros(pick(rng, &[0, 300, 3_000, 600_000_000]));
        match rng.u16(..1_000) {
            0..560 => RateLimiterOperation::Request {
                provider,
                who: rng.u128(..4),
                permit,
                limits: (pick(rng, &[1, 500, 1_000]), pick(rng, &[1, 3, 200])),
                ttl: length(rng),
            },
            560..740 => RateLimiterOperation::Release { provider, permit },
            740..790 => RateLimiterOperation::Record { provider, starts: rng.u32(..4) },
            790..830 => {
                let span = if rarely(rng, 8) { length(rng) } else { Duration::from_micros(rng.u64(..3_000)) };
                RateLimiterOperation::Pause { provider, span }
            }
            830..940 => RateLimiterOperation::Step(step(rng)),
            940..960 => RateLimiterOperation::LoseScripts,
            _ => RateLimiterOperation::LoseEverything,
        }
    }

    fn about(operation: &RateLimiterOperation) -> Option<usize> {
        match operation {
            RateLimiterOperation::Request { provider, .. }
            | RateLimiterOperation::Release { provider, .. }
            | RateLimiterOperation::Record { provider, .. }
            | RateLimiterOperation::Pause { provider, .. } => Some(*provider),
            _ => None,
        }
    }

    async fn carry_out(&mut self, operation: &RateLimiterOperation) -> Result<Outcome, Divergence> {
        let provider = PROVIDERS[Self::about(operation).unwrap_or_default()];
        match *operation {
            RateLimiterOperation::Request { who, permit, limits: (rate, permits), ttl, .. } => {
                let (who, permit) = (Uuid::from_u128(who), permit_of(permit));
                let request = StartRequest { who, permit, limits: Limits::new(rate, permits), ttl };
                self.request(provider, &request).await
            }
            RateLimiterOperation::Release { permit, .. } => {
                let actual = self.adapter.release(provider, permit_of(permit)).await;
                let expected = self.memory.release(provider, permit_of(permit)).await;
                done("released", &actual, &expected)
            }
            RateLimiterOperation::Record { starts, .. } => {
                let limits = Limits::new(1, 1);
                let actual = self.adapter.record(provider, starts, limits).await;
                self.goes_on(provider).await?;
                done("recorded", &actual, &self.memory.record(provider, starts, limits).await)
            }
            RateLimiterOperation::Pause { span, .. } => {
                let actual = self.adapter.pause(provider, span).await;
                self.goes_on(provider).await?;
                done("pauses", &actual, &self.memory.pause(provider, span).await)
            }
            RateLimiterOperation::Step(micros) => {
                self.server.step_back(micros).await;
                self.memory.step_back(micros);
                Ok("clock stepped")
            }
            RateLimiterOperation::LoseEverything => {
                self.start_over().await;
                Ok("data lost")
            }
            RateLimiterOperation::LoseScripts => {
                self.server.lose_scripts().await;
                Ok("scripts lost")
            }
        }
    }

    /// There is nothing to read: a request of nobody shows what there is.
    async fn read(&mut self) -> Result<(), Divergence> {
        for provider in PROVIDERS {
            let request = StartRequest {
                who: Uuid::from_u128(99),
                permit: permit_of(99),
                limits: Limits::new(1, 1),
                ttl: Duration::ZERO,
            };
            self.request(provider, &request).await?;
        }
        Ok(())
    }

    async fn start_over(&mut self) {
        self.server.lose_everything().await;
        self.memory = MemoryRateLimiter::with_clock(self.clock.clone());
        self.last = self.server.now().await;
    }
}

fn done<E: fmt::Debug>(
    what: Outcome,
    actual: &Result<(), E>,
    expected: &Result<(), E>,
) -> Result<Outcome, Divergence> {
    if actual.is_ok() && expected.is_ok() { Ok(what) } else { Err(Divergence::of(actual, expected)) }
}

fn permit_of(number: u128) -> ClaimId {
    ClaimId::new(Uuid::from_u128(number))
}

impl fmt::Debug for RateLimiterPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiterPairs").finish_non_exhaustive()
    }
}

const PROVIDERS: [&str; 2] = ["acme", "other"];
