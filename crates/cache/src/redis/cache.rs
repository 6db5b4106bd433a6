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
    FromRedisValue, LinkError, Looks, Pipeline, RedisLink, Script, Seen, Value, cmd, script_mutant,
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
/// Two keys per account, each written by itself: `last` decides, guarded by the generation, and `tok` repeats it for readers
/// of a good token, with a life of expiry minus skew. A reader takes `tok` only where it carries the stamp of
/// the present `last`, so a late or lost write of `tok` costs a second round trip and nothing else.
///
/// Without a subscriber connection (a pool without a URL beside it) a listener never hears anything; waiters poll.
#[derive(Clone, Debug)]
pub struct RedisCache {
    link: RedisLink,
    /// Started by the first read, which is inside a runtime.
    looks: Arc<OnceLock<Looks>>,
    names: Names,
}

impl RedisCache {
    /// A shelf whose keys begin with `prefix`.
    ///
    /// # Errors
    /// The prefix is empty, too long, or holds characters that mean something in key patterns.
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, looks: Arc::default(), names: Names::new(prefix)? })
    }

    /// The shelf by way of the fast path's entry, if that is there and belongs to the present state.
    async fn read_fast(&self, account: &Account) -> Result<Option<Shelf>, LinkError> {
        let (tok, last) = (self.names.tok(account.key()), self.names.last(account.key()));
        let mut get = cmd("GET");
        get.arg(&tok);
        let mut state = cmd("HMGET");
        state.arg(&last).arg("stamp").arg("rejected");
        // Many accounts are read at the same moment when a replica starts; the time is asked for behind them.
        let Seen { replies, now_us } =
            self.looks.get_or_init(|| self.link.looks()).ask(vec![get, state]).await?;
        let [value, state] = replies.try_into().map_err(|_| SHORT)?;

        let value: Option<Vec<u8>> = decode(value)?;
        let (stamp, rejected): (Option<Vec<u8>>, Option<Vec<u8>>) = decode(state)?;
        let (Some(value), Some(stamp)) = (value, stamp) else { return Ok(None) };
        Ok(fast::shelf(value, now_us, &stamp, rejected.as_deref()))
    }

    async fn read_last(&self, account: &Account) -> Result<Shelf, LinkError> {
        let mut all = cmd("HGETALL");
        all.arg(self.names.last(account.key()));
        // The time is asked for second: what is left is never overstated.
        let [fields, time] = self.ask(Pipeline::new().cmd(all).cmd(cmd("TIME"))).await?;
        let fields: Fields = decode(fields)?;
        Ok(Last::new(instant(time)?, fields).shelf())
    }

    /// Writes `last`; returns what it is now, or nothing when something newer is there.
    async fn put_last(
        &self,
        account: &Account,
        publication: &Publication,
    ) -> Result<Option<Last>, LinkError> {
        let Publication { generation, token, verdict, gone, replaces, as_of } = publication;
        let verdict = verdict.as_ref().filter(|verdict| verdict.generation == *generation);
        let mut call = self
            .link
            .script(&PUBLISH)
            .key(self.names.last(account.key()))
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
        let reply: Vec<Value> = call.run().await?;
        match <[Value; 3]>::try_from(reply) {
            Ok([_, now, fields]) => Ok(Some(Last::new(decode(now)?, decode(fields)?))),
            Err(_) => Ok(None),
        }
    }

    /// Writes `tok` as `last` says and tells everyone, in this order, so that whoever is woken finds it.
    async fn put_fast(
        &self,
        account: &Account,
        generation: Generation,
        last: &Last,
    ) -> Result<(), LinkError> {
        let tok = self.names.tok(account.key());
        let write = if let Some((fast, ends_ms)) = last.fast() {
            let mut set = cmd("SET");
            set.arg(tok).arg(fast).arg("PXAT").arg(ends_ms);
            set
        } else {
            let mut del = cmd("DEL");
            del.arg(tok);
            del
        };
        let mut tell = cmd("PUBLISH");
        tell.arg(&*self.names.news).arg(news::write(account.key(), generation));
        let [_, _] = self.ask(Pipeline::new().cmd(write).cmd(tell)).await?;
        Ok(())
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
        let Some(last) = self.put_last(account, publication).await.map_err(trouble)? else {
            return Ok(false);
        };
        // From here on something was put, whatever becomes of the rest.
        self.put_fast(account, publication.generation, &last).await.map_err(Trouble::unknown)?;
        Ok(true)
    }

    async fn reject(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        // `tok` may stay: its readers see the mark, because they look at `last` in the same round trip.
        let call = self
            .link
            .script(&REJECT)
            .key(self.names.last(account.key()))
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

fn trouble(error: LinkError) -> Trouble {
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
        "or ARGV[12] == '1' and there[4] and newer(generation, there[4])",
        "",
    ),
    script_mutant("delete_leaves_the_token_on_the_shelf", "gone == '1' or", "false or"),
]);
static REJECT: Script = Script::new(include_str!("../../lua/reject.lua"));
static ABSOLVE: Script = Script::new(include_str!("../../lua/absolve.lua"));

const SHORT: LinkError = LinkError::Shape { expected: "one reply per command" };

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Spans are cut to fifty years, so that an instant plus a span is a number that Lua counts exactly.
const LONGEST: Duration = Duration::from_secs(50 * 365 * 24 * 60 * 60);
