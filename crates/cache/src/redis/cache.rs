//! The shelf in Redis.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use solekey_core::{
    Account, Generation, InputError, StoreTime,
    ports::{Cache, Listen, Publication, Shelf, Trouble},
};
use solekey_redis_link::{
    FromRedisValue, LinkError, Pipeline, RedisLink, Script, Seen, Trips, Value, cmd, script_mutant,
};

use super::{
    fast,
    last::{Fields, Last},
    names::Names,
    news::{self, RedisListener},
    ruling::{self, Words},
};

/// The shelf that replicas share, in Redis.
///
/// Two keys per account, written in one step: `last` decides, guarded by the generation, and `tok` repeats it for readers of a
/// good token, with a life of expiry minus skew. `tok` is there only as long as `last` says nothing else, so that a
/// reader who finds it need not look further.
///
/// Without a subscriber connection (a pool without a URL beside it) a listener never hears anything; waiters poll.
#[derive(Clone, Debug)]
pub struct RedisCache {
    link: RedisLink,
    /// Started by the first read, which is inside a runtime.
    trips: Arc<OnceLock<Trips>>,
    names: Names,
}

impl RedisCache {
    /// A shelf whose keys begin with `prefix`.
    ///
    /// # Errors
    /// The prefix is empty, too long, or holds characters that mean something in key patterns.
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, trips: Arc::default(), names: Names::new(prefix)? })
    }

    /// The shelf by way of the fast path's entry, if that is there.
    async fn read_fast(&self, account: &Account) -> Result<Option<Shelf>, LinkError> {
        // Many accounts are read at the same moment when a replica starts.
        let trips = self.trips.get_or_init(|| self.link.trips());
        let Seen { value, now_us } = trips.get(self.names.tok(account.key())).await?;
        Ok(value.and_then(|value| fast::shelf(value, now_us)))
    }

    async fn read_last(&self, account: &Account) -> Result<Shelf, LinkError> {
        let mut all = cmd("HGETALL");
        all.arg(self.names.last(account.key()));
        // The time is asked for second: what is left is never overstated.
        let [fields, time] = self.ask(Pipeline::new().cmd(all).cmd(cmd("TIME"))).await?;
        let fields: Fields = decode(fields)?;
        Ok(Last::new(instant(time)?, fields).shelf())
    }

    /// Writes both and tells everyone; `false` when something newer is there.
    async fn put(&self, account: &Account, publication: &Publication) -> Result<bool, LinkError> {
        let Publication { generation, token, verdict, gone, replaces, as_of } = publication;
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
                let Words { ruling, why, strikes } = Words::of(verdict);
                call.arg(ruling).arg(why).arg(micros(ruling::left(verdict))).arg(strikes)
            }
            None => call.arg("").arg("").arg(0).arg(0),
        };
        let valid = token.as_ref().map_or(Duration::ZERO, |token| token.valid.min(LONGEST));
        call = call.arg(ttl_ms(valid)).arg(u8::from(*replaces));
        call = match as_of {
            Some(then) => call.arg(then.as_micros()),
            None => call.arg(""),
        };
        call.arg(&*self.names.news).arg(news::write(account.key(), *generation)).run().await
    }

    async fn ask<const N: usize>(&self, pipeline: Pipeline) -> Result<[Value; N], LinkError> {
        let replies: Vec<Value> =
            self.link.pipeline(&pipeline).await?.into_iter().collect::<Result<_, _>>()?;
        replies.try_into().map_err(|_| SHORT)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn read(&self, account: &Account) -> Result<Shelf, Trouble> {
        // A read changes nothing, however it fails.
        if let Some(shelf) = self.read_fast(account).await.map_err(Trouble::not_applied)? {
            return Ok(shelf);
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

    async fn reject(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let call = self
            .link
            .script(&REJECT)
            .key(self.names.last(account.key()))
            .key(self.names.tok(account.key()))
            .arg(generation.get())
            .arg(ttl_ms(Duration::ZERO))
            .arg(&*self.names.news)
            .arg(news::write(account.key(), generation));
        call.run::<i64>().await.map(drop).map_err(trouble)
    }

    async fn absolve(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let call = self
            .link
            .script(&ABSOLVE)
            .key(self.names.last(account.key()))
            .arg(generation.get())
            .arg(&*self.names.news)
            .arg(news::write(account.key(), generation));
        call.run::<i64>().await.map(drop).map_err(trouble)
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(RedisListener(self.link.subscribe([self.names.news.clone()]).await))
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

static PUBLISH: Script = Script::new(include_str!("../../lua/publish.lua")).with_mutants(&[
    script_mutant(
        "cache_write_without_generation",
        "if there[1] and newer(there[1], generation)",
        "if false",
    ),
    script_mutant("late_publication_lives_longer", "math.min(now, tonumber(ARGV[13]) or now)", "now"),
    script_mutant(
        "login_leaves_the_old_token_on_the_shelf",
        "or ARGV[12] == '1' and there[3] and newer(generation, there[3])",
        "",
    ),
    script_mutant("delete_leaves_the_token_on_the_shelf", "gone == '1' or", "false or"),
    script_mutant(
        "fast_entry_beside_a_mark",
        "if is[1] and not is[2] and good_ms * 1000 > now then",
        "if is[1] and good_ms * 1000 > now then",
    ),
    script_mutant(
        "evicted_state_forgets_its_generation",
        "there[1] = tok and string.match(tok, '^2 (%d+) ')",
        "",
    ),
    script_mutant("fast_entry_outlives_its_token", "redis.call('DEL', KEYS[2])", ""),
]);
static REJECT: Script = Script::new(include_str!("../../lua/reject.lua")).with_mutants(&[script_mutant(
    "mark_leaves_the_fast_entry",
    "-- Readers of `tok` look at nothing else.\nredis.call('DEL', KEYS[2])",
    "",
)]);
static ABSOLVE: Script = Script::new(include_str!("../../lua/absolve.lua"));

const SHORT: LinkError = LinkError::Shape { expected: "one reply per command" };

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Spans are cut to fifty years, so that an instant plus a span is a number that Lua counts exactly.
const LONGEST: Duration = Duration::from_secs(50 * 365 * 24 * 60 * 60);
