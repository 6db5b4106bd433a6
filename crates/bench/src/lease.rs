//! Leases compared with those of rslock, which have no fence.

use std::time::Duration;

use anyhow::{Result, ensure};
use redis::{Script, aio::MultiplexedConnection};
use rslock::LockManager;
use solekey_redis_lock::{AcquireOptions, LockOptions, RedisLock};
use solekey_testkit::redis::RedisServer;
use uuid::Uuid;

use crate::{
    effort::Effort,
    hand_over,
    load::per_trip,
    rounds::in_turn,
    server,
    table::{Bound, Row, rate},
};

pub(crate) const NAME: &str = "lease";

pub(crate) async fn run(effort: &Effort) -> Result<Vec<Row>> {
    let redis = server::redis().await?;
    let link = server::link(&redis).await?;
    let mut rows = Vec::new();
    // As replicas take them: whoever waits there waits for a token, not for the lease.
    let options = LockOptions { channel: None, ..LockOptions::default() };
    let lock = RedisLock::with_options(link.clone(), options);
    let peer = manager(&redis)?;
    for tasks in [64, 512] {
        rows.extend(free(effort, &redis, &lock, &peer, tasks).await?);
    }
    lock.shutdown().await;
    let lock = RedisLock::new(link.clone());
    rows.push(hand_over::run(effort, &redis, &lock, peer).await?);
    lock.shutdown().await;
    link.close().await;
    Ok(rows)
}

/// A lease nobody else wants: taken and given back.
async fn free(
    effort: &Effort,
    redis: &RedisServer,
    lock: &RedisLock,
    peer: &LockManager,
    tasks: usize,
) -> Result<Vec<Row>> {
    let trips = effort.trips / 2;
    let mut theirs = async || {
        let peer = peer.clone();
        let take = move |number: usize| {
            let peer = peer.clone();
            async move {
                peer.lock(format!("rslock:{}", number % tasks).as_bytes(), TTL).await?.release().await;
                Ok(())
            }
        };
        per_trip(tasks, trips, take).await
    };
    let mut ours = async || {
        let lock = lock.clone();
        let take = move |number: usize| {
            let lock = lock.clone();
            async move {
                let key = format!("lease:{}", number % tasks);
                lock.try_acquire(&key, TTL, AcquireOptions::default()).await?.release().await?;
                Ok(())
            }
        };
        per_trip(tasks, trips, take).await
    };
    let raw = server::raw(redis).await?;
    let mut least = async || fenced(&raw, tasks, trips).await;
    let pairs = in_turn(effort.rounds, &mut theirs, &mut ours).await?;
    let limit = 1.0 / in_turn(effort.rounds, &mut theirs, &mut least).await?.ratio();
    let bare = in_turn(effort.rounds, &mut least, &mut ours).await?;

    let what = format!("acquire and release, with a fence, {tasks} tasks");
    let (ratio, bound) = (1.0 / pairs.ratio(), Bound::AtLeast(1.0));
    let compared = format!("rslock {}", rate(1.0 / pairs.peer()));
    let row = Row::bounded(NAME, what, rate(1.0 / pairs.ours()), compared, ratio, bound);
    let compared = format!("the least scripts {}, {limit:.2}x of rslock", rate(1.0 / bare.peer()));
    let what =
        format!("the same, compared with its Redis commands in scripts that do nothing else, {tasks} tasks");
    let shown = Row::shown(NAME, what, rate(1.0 / bare.ours()), compared, Some(1.0 / bare.ratio()));
    Ok(vec![row.within(ratio, limit, bound, "the least scripts are"), shown])
}

/// The least that our lease can cost: the commands its guarantees take, in scripts that do nothing else, without our
/// client.
async fn fenced(raw: &MultiplexedConnection, tasks: usize, trips: usize) -> Result<f64> {
    let (acquire, release) = (Script::new(LEAST_ACQUIRE), Script::new(LEAST_RELEASE));
    for script in [&acquire, &release] {
        script.prepare_invoke().load_async(&mut raw.clone()).await?;
    }
    let hashes = [acquire.get_hash().to_owned(), release.get_hash().to_owned()];
    let raw = raw.clone();
    let take = move |number: usize| {
        let (mut raw, [acquire, release]) = (raw.clone(), hashes.clone());
        async move {
            let token = Uuid::new_v4().to_string();
            let key = format!("least:{}", number % tasks);
            for script in [acquire, release] {
                let mut call = redis::cmd("EVALSHA");
                call.arg(script).arg(1).arg(&key).arg(&token).arg(TOMBSTONE);
                let time: u64 = call.query_async(&mut raw).await?;
                ensure!(time > 0, "the server's time");
            }
            Ok(())
        }
    };
    per_trip(tasks, trips, take).await
}

fn manager(redis: &RedisServer) -> Result<LockManager> {
    Ok(LockManager::from_clients(vec![redis::Client::open(redis.url())?]))
}

pub(crate) const TTL: Duration = Duration::from_secs(10);
const TOMBSTONE: u64 = 86_400_000;
/// A fence that survives the loss of data needs the server's time, and the last one needs to be read.
const LEAST_ACQUIRE: &str = "
local time, held = redis.call('TIME'), redis.call('GET', KEYS[1])
if held == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return time[1] + 0";
/// One that has ended is not given back, and what is given back leaves its fence.
const LEAST_RELEASE: &str = "
local time, held = redis.call('TIME'), redis.call('GET', KEYS[1])
if held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'free', 'PX', ARGV[2])
return time[1] + 0";
