//! From the release of a lease to the next holder, who has waited for it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use redis::aio::MultiplexedConnection;
use rslock::LockManager;
use solekey_redis_lock::{AcquireOptions, RedisLock};
use solekey_testkit::redis::RedisServer;
use tokio::sync::oneshot;

use crate::{
    effort::Effort,
    lease::{NAME, TTL},
    rounds::median,
    server,
    table::{Bound, Row, time},
};

pub(crate) async fn run(
    effort: &Effort,
    redis: &RedisServer,
    lock: &RedisLock,
    mut peer: LockManager,
) -> Result<Row> {
    // Its defaults but for the count: three retries would often give up before the release.
    peer.set_retry(1_000, Duration::from_millis(200));
    let raw = server::raw(redis).await?;
    let (mut theirs, mut ours, mut least) = (Vec::new(), Vec::new(), Vec::new());
    for event in 0..effort.events.div_ceil(2) {
        theirs.push(timed(rslock(peer.clone(), event)).await?);
        ours.push(timed(solekey(lock.clone(), event)).await?);
        least.push(timed(bare(redis.url(), raw.clone(), event)).await?);
    }
    let [theirs, ours, least] = [theirs, ours, least].map(median);
    let (ratio, limit, bound) = (theirs / ours, theirs / least, Bound::AtLeast(100.0));
    let compared = format!("rslock {}, bare commands {}", time(theirs), time(least));
    let what = "contended hand-over, median: how much sooner";
    let row = Row::bounded(NAME, what, time(ours), compared, ratio, bound);
    Ok(row.within(ratio, limit, bound, "bare commands are"))
}

/// In a task, as requests are served: waking a thread that only waits is no hand-over that a request would see.
async fn timed(hand_over: impl Future<Output = Result<f64>> + Send + 'static) -> Result<f64> {
    tokio::spawn(hand_over).await?
}

async fn rslock(peer: LockManager, event: usize) -> Result<f64> {
    let held = peer.lock(THEIRS.as_bytes(), TTL).await?;
    let waiting = tokio::spawn(async move {
        let held = peer.lock(THEIRS.as_bytes(), TTL).await?;
        let got = Instant::now();
        held.release().await;
        anyhow::Ok(got)
    });
    until_it_waits(event).await;
    let released = Instant::now();
    held.release().await;
    Ok((waiting.await?? - released).as_secs_f64())
}

async fn solekey(lock: RedisLock, event: usize) -> Result<f64> {
    let options = AcquireOptions::default();
    let held = lock.try_acquire(OURS, TTL, options).await?;
    let waiting = tokio::spawn(async move {
        let held = lock.acquire(OURS, TTL, TTL, options).await?;
        let got = Instant::now();
        held.release().await?;
        anyhow::Ok(got)
    });
    until_it_waits(event).await;
    let released = Instant::now();
    held.release().await?;
    let got = waiting.await?.context("the waiter")?;
    Ok((got - released).as_secs_f64())
}

/// The least that a hand-over with a message can take: a plain lease deleted and published, a plain subscriber who
/// takes it.
async fn bare(url: String, mut raw: MultiplexedConnection, event: usize) -> Result<f64> {
    let mut messages = redis::Client::open(url)?.get_async_pubsub().await?;
    messages.subscribe(BARE).await?;
    let mut take = redis::cmd("SET");
    take.arg(BARE).arg("held").arg("NX").arg("PX").arg(TTL.as_millis());
    let mut waiter = raw.clone();
    take.exec_async(&mut raw).await?;
    let (asleep, ready) = oneshot::channel();
    let waiting = tokio::spawn(async move {
        let mut messages = messages.into_on_message();
        let _ = asleep.send(());
        messages.next().await.context("a message")?;
        let taken: Option<String> = take.query_async(&mut waiter).await?;
        let got = Instant::now();
        ensure!(taken.is_some(), "the lease was free");
        anyhow::Ok(got)
    });
    ready.await?;
    until_it_waits(event).await;
    let released = Instant::now();
    redis::pipe().del(BARE).publish(BARE, "free").exec_async(&mut raw).await?;
    let got = waiting.await??;
    redis::cmd("DEL").arg(BARE).exec_async(&mut raw).await?;
    Ok((got - released).as_secs_f64())
}

/// Long enough for a waiter to have asked and gone to sleep; not always the same, so that no poll is met in step.
async fn until_it_waits(event: usize) {
    tokio::time::sleep(Duration::from_millis(20 + (event as u64 * 7) % 30)).await;
}

const OURS: &str = "contended:ours";
const THEIRS: &str = "contended:theirs";
const BARE: &str = "contended:bare";
