//! A token that another replica has put into Redis.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use redis::aio::MultiplexedConnection;
use solekey::{Builder, SealKeys, Solekey};
use solekey_cache::RedisCache;
use solekey_core::{
    Account, Generation, Sealed,
    ports::{Cache, CachedToken, Publication, Store},
};
use solekey_testkit::{
    memory::{MemoryAnswers, MemoryStore},
    redis::RedisServer,
};

use crate::{
    effort::Effort,
    load::per_trip,
    replica::{self, Endpoint, account, document, token},
    rounds::in_turn,
    server,
    table::{Bound, Row, rate},
};

pub(crate) const NAME: &str = "shared-cache";

pub(crate) async fn run(effort: &Effort) -> Result<Vec<Row>> {
    let redis = server::redis().await?;
    let raw = server::raw(&redis).await?;
    put_raw(&raw).await?;
    let mut rows = reads(effort, &redis, &raw).await?;
    for (what, seal) in [("unsealed", None), ("sealed", Some(RING))] {
        rows.push(tokens(effort, &redis, &raw, what, seal).await?);
    }
    Ok(rows)
}

/// The shared cache itself, as a flight reads it.
async fn reads(effort: &Effort, redis: &RedisServer, raw: &MultiplexedConnection) -> Result<Vec<Row>> {
    let link = server::link(redis).await?;
    let shared_cache = Arc::new(RedisCache::new(link.clone(), "bench")?);
    let accounts: Arc<[Account]> = (0..ACCOUNTS).map(account).collect();
    for (number, account) in accounts.iter().enumerate() {
        ensure!(shared_cache.publish(account, &publication(number)).await?, "the shared cache takes a token");
    }
    let mut rows = Vec::new();
    for tasks in [64, 512] {
        let mut read = async || {
            let (shared_cache, accounts) = (Arc::clone(&shared_cache), Arc::clone(&accounts));
            let read = move |number: usize| {
                let (shared_cache, accounts) = (Arc::clone(&shared_cache), Arc::clone(&accounts));
                async move {
                    let read = shared_cache.read(&accounts[number % ACCOUNTS]).await?;
                    ensure!(
                        read.token.is_some_and(|token| token.payload.as_bytes().len() == SIZE),
                        "a token"
                    );
                    Ok(())
                }
            };
            per_trip(tasks, effort.trips, read).await
        };
        let pairs = in_turn(effort.rounds, async || gets(raw, tasks, effort.trips).await, &mut read).await?;
        let what = format!("1 KiB read from the shared cache, {tasks} tasks");
        let (ours, compared) = (rate(1.0 / pairs.ours()), format!("GET {}", rate(1.0 / pairs.peer())));
        rows.push(Row::bounded(NAME, what, ours, compared, 1.0 / pairs.ratio(), Bound::AtLeast(0.9)));
        let pairs =
            in_turn(effort.rounds, async || same(raw, &accounts, tasks, effort.trips).await, &mut read)
                .await?;
        let what = format!("the same, compared with the same commands by redis-rs, {tasks} tasks");
        let (ours, compared) =
            (rate(1.0 / pairs.ours()), format!("GET HMGET TIME {}", rate(1.0 / pairs.peer())));
        rows.push(Row::shown(NAME, what, ours, compared, Some(1.0 / pairs.ratio())));
    }
    link.close().await;
    Ok(rows)
}

/// The whole way of a caller: flight, shared cache, opening, and into memory. Each round has a replica that knows
/// nothing yet.
async fn tokens(
    effort: &Effort,
    redis: &RedisServer,
    raw: &MultiplexedConnection,
    what: &str,
    seal: Option<&str>,
) -> Result<Row> {
    let tasks = 64;
    let trips = effort.trips / 2;
    let fleet = Fleet::new(redis, what, seal);
    fleet.log_in(trips).await?;
    let accounts: Arc<[Account]> = (0..trips).map(account).collect();
    let ours = async || {
        let replica = fleet.replica().await?;
        let accounts = Arc::clone(&accounts);
        let ask = {
            let replica = replica.clone();
            move |number: usize| {
                let (replica, accounts) = (replica.clone(), Arc::clone(&accounts));
                async move {
                    let token = replica.token(&accounts[number]).await?;
                    ensure!(token.expose_secret().len() == SIZE, "a token");
                    Ok(())
                }
            }
        };
        let per_trip = per_trip(tasks, trips, ask).await?;
        replica.shutdown(Duration::from_secs(1)).await;
        Ok(per_trip)
    };
    let pairs = in_turn(effort.rounds.div_ceil(2), async || gets(raw, tasks, trips).await, ours).await?;
    ensure!(fleet.endpoint.presentations() == 0, "nothing is refreshed");
    let (ours, compared) = (rate(1.0 / pairs.ours()), format!("GET {}", rate(1.0 / pairs.peer())));
    let what = format!("token() over the shared cache, its own flight each, {what}, {tasks} tasks");
    Ok(Row::shown(NAME, what, ours, compared, Some(1.0 / pairs.ratio())))
}

/// Replicas over one store in memory and one shared cache in Redis.
struct Fleet {
    endpoint: Arc<Endpoint>,
    store: Arc<dyn Store>,
    answers: Arc<MemoryAnswers>,
    url: String,
    prefix: String,
    seal: Option<String>,
}

impl Fleet {
    fn new(redis: &RedisServer, prefix: &str, seal: Option<&str>) -> Self {
        Self {
            endpoint: Endpoint::new(),
            store: Arc::new(MemoryStore::new()),
            answers: Arc::new(MemoryAnswers::new()),
            url: redis.url(),
            prefix: prefix.to_owned(),
            seal: seal.map(str::to_owned),
        }
    }

    fn builder(&self) -> Result<Builder> {
        let builder = replica::builder(&self.endpoint)?
            .store(Arc::clone(&self.store))
            .answers(self.answers.clone())
            .redis(&self.url)
            .redis_prefix(&self.prefix);
        Ok(match &self.seal {
            Some(ring) => builder.seal(SealKeys::parse(ring)?),
            None => builder,
        })
    }

    async fn replica(&self) -> Result<Solekey> {
        self.builder()?.build().await.context("a replica")
    }

    async fn log_in(&self, accounts: usize) -> Result<()> {
        let replica = self.replica().await?;
        let first = replica.clone();
        let log_in = move |number: usize| {
            let replica = first.clone();
            async move {
                replica.login(&account(number), &document(number, Duration::from_hours(1)), false).await?;
                Ok(())
            }
        };
        per_trip(64, accounts, log_in).await?;
        replica.shutdown(Duration::from_secs(5)).await;
        Ok(())
    }
}

async fn put_raw(raw: &MultiplexedConnection) -> Result<()> {
    for number in 0..ACCOUNTS {
        redis::cmd("SET").arg(key(number)).arg(token(number)).exec_async(&mut raw.clone()).await?;
    }
    Ok(())
}

/// The raw operation: one GET of 1 KiB each.
async fn gets(raw: &MultiplexedConnection, tasks: usize, trips: usize) -> Result<f64> {
    let raw = raw.clone();
    let get = move |number: usize| {
        let mut raw = raw.clone();
        async move {
            let value: Vec<u8> = redis::cmd("GET").arg(key(number % ACCOUNTS)).query_async(&mut raw).await?;
            ensure!(value.len() == SIZE, "a value");
            Ok(())
        }
    };
    per_trip(tasks, trips, get).await
}

/// Fields of the state that a token has to belong to.
type State = Vec<Option<Vec<u8>>>;

/// The commands of a reader of the shared cache, in a pipeline of its own: the token, the state that it has to belong
/// to, the time.
async fn same(
    raw: &MultiplexedConnection,
    accounts: &Arc<[Account]>,
    tasks: usize,
    trips: usize,
) -> Result<f64> {
    let (raw, accounts) = (raw.clone(), Arc::clone(accounts));
    let ask = move |number: usize| {
        let (mut raw, key) = (raw.clone(), accounts[number % ACCOUNTS].key());
        async move {
            let mut pipeline = redis::pipe();
            pipeline.cmd("GET").arg(format!("bench:{{{key}}}:tok"));
            pipeline.cmd("HMGET").arg(format!("bench:{{{key}}}:last")).arg("generation").arg("rejected");
            pipeline.cmd("TIME");
            let (value, _state, _time): (Vec<u8>, State, (u64, u64)) = pipeline.query_async(&mut raw).await?;
            ensure!(value.len() > SIZE, "a token");
            Ok(())
        }
    };
    per_trip(tasks, trips, ask).await
}

/// As long as a key of the shared cache.
fn key(number: usize) -> String {
    format!("bench:{{{number:032}}}:raw")
}

fn publication(number: usize) -> Publication {
    let generation = Generation::new(1);
    let (valid, good) = (Duration::from_hours(1), Duration::from_mins(59));
    let payload = Sealed::new(token(number).into_bytes());
    let token = Some(CachedToken { generation, payload, valid, good });
    Publication {
        generation,
        token,
        verdict: None,
        gone: false,
        replaces: false,
        as_of: None,
        proof: Sealed::default(),
    }
}

const ACCOUNTS: usize = 1_000;
const SIZE: usize = 1_024;
const RING: &str = "bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
