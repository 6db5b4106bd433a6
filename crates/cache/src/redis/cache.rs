//! The shared cache in Redis.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use solekey_core::{
    Account, Generation, InputError, Sealed, StoreTime,
    ports::{Cache, CacheEntry, Listen, Publication, Trouble},
};
use solekey_redis_link::{
    FromRedisValue, LinkError, Pipeline, RedisLink, Script, Seen, Trips, Value, cmd, script_mutant,
};

use super::{
    change_feed::{self, RedisListener},
    fast,
    last::{Fields, Last},
    names::Names,
    proof,
    wire_verdict::{self, WireVerdict},
};

/// The cache that replicas share, in Redis.
///
/// Two keys per account, written in one step: `last` decides, guarded by the generation, and `tok` repeats it for
/// readers of a good token, with a life of expiry minus skew. `tok` exists only as long as `last` holds nothing else,
/// so that a reader who finds it need not read further.
///
/// Without a subscriber connection (a pool without a URL for subscriptions) a listener never hears anything; waiters
/// poll.
#[derive(Clone, Debug)]
pub struct RedisCache {
    link: RedisLink,
    /// Started by the first read, which is inside a runtime.
    trips: Arc<OnceLock<Trips>>,
    names: Names,
}

impl RedisCache {
    /// A cache whose keys begin with `prefix`.
    ///
    /// # Errors
    /// The prefix is empty, too long, or holds characters that mean something in key patterns.
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, trips: Arc::default(), names: Names::new(prefix)? })
    }

    /// Reads by way of the fast path's entry, if there is one.
    async fn read_fast(&self, account: &Account) -> Result<Option<CacheEntry>, LinkError> {
        // Many accounts are read at the same moment when a replica starts.
        let trips = self.trips.get_or_init(|| self.link.trips());
        let Seen { value, now_us } = trips.get(self.names.tok(account.key())).await?;
        Ok(value.and_then(|value| fast::shared_cache(value, now_us)))
    }

    async fn read_last(&self, account: &Account) -> Result<CacheEntry, LinkError> {
        let mut all = cmd("HGETALL");
        all.arg(self.names.last(account.key()));
        // The time is asked for second: what is left is never overstated.
        let [fields, time] = self.ask(Pipeline::new().cmd(all).cmd(cmd("TIME"))).await?;
        let fields: Fields = decode(fields)?;
        let last = Last::new(instant(time)?, fields);
        if last.is_ahead() {
            return self.follow(account).await;
        }
        Ok(last.shared_cache())
    }

    /// Moves the entry to a clock that has stepped back behind it.
    async fn follow(&self, account: &Account) -> Result<CacheEntry, LinkError> {
        let call =
            self.link.script(&FOLLOW).key(self.names.last(account.key())).key(self.names.tok(account.key()));
        let (fields, now): (Fields, u64) = call.run().await?;
        Ok(Last::new(now, fields).shared_cache())
    }

    /// Writes both and notifies everybody; `false` when something newer is there.
    async fn put(&self, account: &Account, publication: &Publication) -> Result<bool, LinkError> {
        let Publication { generation, token, verdict, gone, replaces, as_of, proof } = publication;
        let verdict = verdict.as_ref().filter(|verdict| verdict.generation == *generation);
        let mut call = self
            .link
            .script(&PUBLISH)
            .key(self.names.last(account.key()))
            .key(self.names.tok(account.key()))
            .arg(generation.get())
            .arg(u8::from(*gone));
        call = match token {
            Some(token) => call
                .arg(token.generation.get())
                .arg(token.payload.as_bytes())
                .arg(micros(token.valid))
                .arg(micros(token.good.min(token.valid))),
            None => call.arg("").arg("").arg(0).arg(0),
        };
        call = match verdict {
            Some(verdict) => {
                let WireVerdict { decision, why, strikes } = WireVerdict::of(verdict);
                call.arg(decision).arg(why).arg(micros(wire_verdict::left(verdict))).arg(strikes)
            }
            None => call.arg("").arg("").arg(0).arg(0),
        };
        let valid = token.as_ref().map_or(Duration::ZERO, |token| token.valid.min(LONGEST));
        call = call.arg(ttl_ms(valid)).arg(u8::from(*replaces));
        call = match as_of {
            Some(then) => call.arg(then.as_micros()),
            None => call.arg(""),
        };
        call.arg(&*self.names.change_feed)
            .arg(change_feed::write(account.key(), *generation))
            .arg(proof::write(proof))
            .run()
            .await
    }

    async fn ask<const N: usize>(&self, pipeline: Pipeline) -> Result<[Value; N], LinkError> {
        let replies: Vec<Value> =
            self.link.pipeline(&pipeline).await?.into_iter().collect::<Result<_, _>>()?;
        replies.try_into().map_err(|_| SHORT)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble> {
        // A read changes nothing, however it fails.
        if let Some(shared_cache) = self.read_fast(account).await.map_err(Trouble::not_applied)? {
            return Ok(shared_cache);
        }
        self.read_last(account).await.map_err(Trouble::not_applied)
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        let [time] = self.ask(Pipeline::new().cmd(cmd("TIME"))).await.map_err(Trouble::not_applied)?;
        Ok(StoreTime::from_micros(instant(time).map_err(Trouble::not_applied)?))
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        self.put(account, publication).await.map_err(trouble)
    }

    async fn reject(&self, account: &Account, generation: Generation, proof: &Sealed) -> Result<(), Trouble> {
        let call = self
            .link
            .script(&REJECT)
            .key(self.names.last(account.key()))
            .key(self.names.tok(account.key()))
            .arg(generation.get())
            .arg(ttl_ms(Duration::ZERO))
            .arg(&*self.names.change_feed)
            .arg(change_feed::write(account.key(), generation))
            .arg(proof::write(proof));
        call.run::<i64>().await.map(drop).map_err(trouble)
    }

    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let call = self
            .link
            .script(&CLEAR_REJECTION)
            .key(self.names.last(account.key()))
            .arg(generation.get())
            .arg(&*self.names.change_feed)
            .arg(change_feed::write(account.key(), generation));
        call.run::<i64>().await.map(drop).map_err(trouble)
    }

    async fn forget(&self, account: &Account) -> Result<(), Trouble> {
        let mut del = cmd("DEL");
        del.arg(self.names.last(account.key())).arg(self.names.tok(account.key()));
        self.link.query::<i64>(&del).await.map(drop).map_err(trouble)
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(RedisListener(self.link.subscribe([self.names.change_feed.clone()]).await))
    }
}

pub(super) fn trouble(error: LinkError) -> Trouble {
    if error.is_not_applied() { Trouble::not_applied(error) } else { Trouble::unknown(error) }
}

fn decode<T: FromRedisValue>(value: Value) -> Result<T, LinkError> {
    T::from_redis_value(value).map_err(|_| LinkError::Shape { expected: std::any::type_name::<T>() })
}

/// Microseconds since 1970, from what `TIME` answers.
fn instant(time: Value) -> Result<u64, LinkError> {
    let (secs, micros): (u64, u64) = decode(time)?;
    Ok(secs * 1_000_000 + micros)
}

fn micros(span: Duration) -> u64 {
    span.min(LONGEST).as_micros() as u64
}

/// The life of `last`: as a witness of the newest generation it outlives the answers, and always the token.
fn ttl_ms(valid: Duration) -> u64 {
    solekey_core::KEEP_ANSWERS.max(valid + DAY).as_millis() as u64
}

macro_rules! entry_script {
    ($file:literal) => {
        Script::new(concat!(include_str!("../../lua/entry.lua"), include_str!(concat!("../../lua/", $file))))
    };
}

static FOLLOW: Script = entry_script!("follow.lua").with_mutants(&[script_mutant(
    "redis_entry_waits_for_a_clock_that_stepped_back",
    "if ahead <= 0 then return end",
    "if true then return end",
)]);
static PUBLISH: Script = entry_script!("publish.lua").with_mutants(&[
    script_mutant(
        "cache_write_without_generation",
        "if there[1] and newer(there[1], generation)",
        "if false",
    ),
    script_mutant("late_publication_lives_longer", "math.min(now, tonumber(ARGV[13]) or now)", "now"),
    script_mutant(
        "login_leaves_the_old_token_in_the_shared_cache",
        "or ARGV[12] == '1' and there[3] and newer(generation, there[3])",
        "",
    ),
    script_mutant("delete_leaves_the_token_in_the_shared_cache", "gone == '1' or", "false or"),
    script_mutant(
        "fast_entry_despite_a_mark",
        "if is[1] and not is[2] and good_ms * 1000 > now then",
        "if is[1] and good_ms * 1000 > now then",
    ),
    script_mutant(
        "evicted_state_forgets_its_generation",
        "there[1] = tok and string.match(tok, '^3 (%d+) ')",
        "",
    ),
    script_mutant("fast_entry_outlives_its_token", "redis.call('DEL', KEYS[2])", ""),
    script_mutant(
        "later_publication_shortens_a_life",
        "if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[11]) then",
        "if true then",
    ),
]);
static REJECT: Script = Script::new(include_str!("../../lua/reject.lua")).with_mutants(&[script_mutant(
    "mark_leaves_the_fast_entry",
    "-- Readers of `tok` read nothing else.\nredis.call('DEL', KEYS[2])",
    "",
)]);
static CLEAR_REJECTION: Script = Script::new(include_str!("../../lua/clear_rejection.lua"));

const SHORT: LinkError = LinkError::Shape { expected: "one reply per command" };

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Spans are cut to fifty years, so that an instant plus a span is a number that Lua counts exactly.
const LONGEST: Duration = Duration::from_secs(50 * 365 * 24 * 60 * 60);
