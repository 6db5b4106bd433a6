//! The starts that replicas share, in Redis.

use std::time::Duration;

use async_trait::async_trait;
use solekey_core::{
    ClaimId, Gate, InputError, Limits,
    ports::{Ask, Hold, Pace, Paced, Start, Trouble},
};
use solekey_redis_link::{LinkError, RedisLink, Script, cmd, script_mutant};

use super::{cache::trouble, names::Names};

/// The starts that replicas share, in Redis: one key per provider, whose times are the server's. Losing it costs one start
/// that comes too early.
#[derive(Clone, Debug)]
pub struct RedisPace {
    link: RedisLink,
    names: Names,
}

impl RedisPace {
    /// Gates whose keys begin with `prefix`.
    ///
    /// # Errors
    /// As for a [`RedisCache`](crate::RedisCache).
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, names: Names::new(prefix)? })
    }
}

#[async_trait]
impl Pace for RedisPace {
    async fn ask(&self, provider: &str, ask: &Ask) -> Result<Paced, Trouble> {
        let call = self
            .link
            .script(&ASK)
            .key(self.names.pace(provider))
            .arg(ask.who.simple().to_string())
            .arg(ask.place.to_string())
            .arg(micros(ask.limits.interval()))
            .arg(ask.limits.places())
            .arg(micros(ask.ttl.min(DAY)))
            .arg(micros(Gate::ASKER_SEEN))
            .arg(TTL_MS);
        paced(call.run().await.map_err(trouble)?).map_err(trouble)
    }

    async fn leave(&self, provider: &str, place: ClaimId) -> Result<(), Trouble> {
        let mut leave = cmd("HDEL");
        leave.arg(self.names.pace(provider)).arg(format!("p:{place}"));
        self.link.query::<i64>(&leave).await.map(drop).map_err(trouble)
    }

    async fn spend(&self, provider: &str, starts: u32, limits: Limits) -> Result<(), Trouble> {
        let call = self
            .link
            .script(&SPEND)
            .key(self.names.pace(provider))
            .arg(micros(limits.interval() * starts))
            .arg(micros(Gate::MAX_YIELD))
            .arg(TTL_MS);
        call.run::<i64>().await.map(drop).map_err(trouble)
    }

    async fn pause(&self, provider: &str, span: Duration) -> Result<(), Trouble> {
        let key = self.names.pace(provider);
        let call = self.link.script(&PAUSE).key(key).arg(micros(span.min(DAY))).arg(TTL_MS);
        call.run::<i64>().await.map(drop).map_err(trouble)
    }
}

fn paced((code, wait, replicas): (u8, u64, u32)) -> Result<Paced, LinkError> {
    let wait = Duration::from_micros(wait);
    let start = match code {
        0 => Start::Granted,
        1 => Start::Later { wait, why: Hold::Rate },
        2 => Start::Later { wait, why: Hold::Places },
        3 => Start::Later { wait, why: Hold::Paused },
        _ => return Err(LinkError::Shape { expected: "what a gate says" }),
    };
    Ok(Paced { start, replicas })
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

static ASK: Script = Script::new(include_str!("../../lua/ask.lua")).with_mutants(&[
    script_mutant("gate_forgets_its_pause", "(gate.paused or 0) > now", "false"),
    script_mutant("gate_forgets_its_places", "places >= tonumber(ARGV[4])", "false"),
    script_mutant(
        "gate_saves_idle_time",
        "local next = text(now + ",
        "local next = text((gate.next or now) + ",
    ),
]);
static SPEND: Script = Script::new(include_str!("../../lua/spend.lua"));
static PAUSE: Script = Script::new(include_str!("../../lua/pause.lua"));

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any pause, and any place that is held.
const TTL_MS: u64 = 2 * 24 * 60 * 60 * 1000;
