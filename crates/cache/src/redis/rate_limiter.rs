//! The starts that replicas share, in Redis.

use std::time::Duration;

use async_trait::async_trait;
use solekey_core::{
    Admission, BreakerRequest, ClaimId, InputError, Limits, TokenBucket, UnreadBreaker,
    ports::{RateLimiter, Start, StartDelay, StartReply, StartRequest, Trouble},
};
use solekey_redis_link::{LinkError, RedisLink, Script, cmd, script_mutant};

use super::{cache::trouble, names::Names};

/// The starts that replicas share, in Redis: one key per provider, whose times are the server's. Losing it costs one
/// start that comes too early.
#[derive(Clone, Debug)]
pub struct RedisRateLimiter {
    link: RedisLink,
    names: Names,
}

impl RedisRateLimiter {
    /// A limiter whose keys begin with `prefix`.
    ///
    /// # Errors
    /// As for a [`RedisCache`](crate::RedisCache).
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, names: Names::new(prefix)? })
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn request(&self, provider: &str, request: &StartRequest) -> Result<StartReply, Trouble> {
        let call = self
            .link
            .script(&REQUEST_START)
            .key(self.names.starts(provider))
            .arg(request.who.simple().to_string())
            .arg(request.permit.to_string())
            .arg(micros(request.limits.interval()))
            .arg(request.limits.permits())
            .arg(micros(request.ttl.min(DAY)))
            .arg(micros(TokenBucket::ASKER_SEEN))
            .arg(TTL_MS);
        reply(call.run().await.map_err(trouble)?).map_err(trouble)
    }

    async fn release(&self, provider: &str, permit: ClaimId) -> Result<(), Trouble> {
        let mut release = cmd("HDEL");
        release.arg(self.names.starts(provider)).arg(format!("p:{permit}"));
        self.link.query::<i64>(&release).await.map(drop).map_err(trouble)
    }

    async fn record(&self, provider: &str, starts: u32, limits: Limits) -> Result<(), Trouble> {
        let call = self
            .link
            .script(&RECORD_STARTS)
            .key(self.names.starts(provider))
            .arg(micros(limits.interval() * starts))
            .arg(micros(TokenBucket::MAX_YIELD))
            .arg(TTL_MS);
        call.run::<i64>().await.map(drop).map_err(trouble)
    }

    async fn pause(&self, provider: &str, span: Duration) -> Result<(), Trouble> {
        let key = self.names.starts(provider);
        let call = self.link.script(&PAUSE).key(key).arg(micros(span.min(DAY))).arg(TTL_MS);
        call.run::<i64>().await.map(drop).map_err(trouble)
    }

    async fn breaker(&self, endpoint: &str, request: BreakerRequest) -> Result<Admission, Trouble> {
        let (verb, value) = match request {
            BreakerRequest::Admit { hold } => ("admit", micros(hold.min(DAY))),
            BreakerRequest::Close { strikes } => ("close", u64::from(strikes)),
            BreakerRequest::Open { strikes } => ("open", u64::from(strikes)),
            BreakerRequest::Retry => ("retry", 0),
        };
        let call = self.link.script(&BREAKER).key(self.names.breaker(endpoint));
        let call = call.arg(verb).arg(value).arg(BREAKER_TTL_MS);
        let call = UnreadBreaker::PAUSES.iter().fold(call, |call, pause| call.arg(micros(*pause)));
        admission(call.run().await.map_err(trouble)?).map_err(trouble)
    }
}

fn admission((code, value): (u8, u64)) -> Result<Admission, LinkError> {
    match code {
        0 => Ok(Admission::Admitted { strikes: u8::try_from(value).unwrap_or(UnreadBreaker::MAX_STRIKES) }),
        1 => Ok(Admission::Closed { wait: Duration::from_micros(value) }),
        _ => Err(LinkError::Shape { expected: "a breaker's code, and its strikes or wait" }),
    }
}

fn reply((code, wait, replicas): (u8, u64, u32)) -> Result<StartReply, LinkError> {
    let wait = Duration::from_micros(wait);
    let start = match code {
        0 => Start::Granted,
        1 => Start::Later { wait, why: StartDelay::Rate },
        2 => Start::Later { wait, why: StartDelay::Permits },
        3 => Start::Later { wait, why: StartDelay::Paused },
        _ => {
            return Err(LinkError::Shape { expected: "a start's code, wait and replicas" });
        }
    };
    Ok(StartReply { start, replicas })
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

macro_rules! starts_script {
    ($file:literal) => {
        Script::new(concat!(include_str!("../../lua/starts.lua"), include_str!(concat!("../../lua/", $file))))
    };
}

static REQUEST_START: Script = starts_script!("request_start.lua").with_mutants(&[
    script_mutant("bucket_forgets_its_pause", "(starts.paused or 0) > now", "false"),
    script_mutant("redis_starts_wait_for_a_clock_that_stepped_back", "if ahead > 0 then", "if false then"),
    script_mutant("bucket_forgets_its_permits", "places >= tonumber(ARGV[4])", "false"),
    script_mutant(
        "bucket_saves_idle_time",
        "local next = text(now + ",
        "local next = text((starts.next or now) + ",
    ),
]);
static RECORD_STARTS: Script = starts_script!("record_starts.lua");
static BREAKER: Script =
    Script::new(include_str!("../../lua/unread_breaker.lua")).with_mutants(&[script_mutant(
        "shared_breaker_admits_everybody",
        "if left > 0 then return",
        "if false then return",
    )]);
static PAUSE: Script = starts_script!("pause.lua");

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any pause, and any place that is held.
const TTL_MS: u64 = 2 * 24 * 60 * 60 * 1000;
/// Of a breaker that is not open: nobody may ask for longer than any token lasts, and then all at once.
const BREAKER_TTL_MS: u64 = 400 * 24 * 60 * 60 * 1000;
