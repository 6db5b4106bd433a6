//! A waiter for a notification about an account.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use redis::aio::MultiplexedConnection;
use solekey_cache::{RedisCache, WaitMap};
use solekey_core::{
    AccountKey,
    ports::{Cache, Heard, Listen},
};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use crate::{
    effort::Effort,
    replica::account,
    rounds::{Pairs, quantile},
    server,
    table::{Bound, Row, time},
};

pub(crate) const NAME: &str = "wake";

pub(crate) async fn run(effort: &Effort) -> Result<Vec<Row>> {
    let redis = server::redis().await?;
    let raw = server::raw(&redis).await?;
    let mut plain = redis::Client::open(redis.url())?.get_async_pubsub().await?;
    plain.subscribe("plain").await?;
    let mut plain = plain.into_on_message();

    let link = server::link(&redis).await?;
    let shared_cache = RedisCache::new(link.clone(), PREFIX)?;
    let waits = WaitMap::new(1_000);
    let key = account(0).key();
    let listening = listen(shared_cache.listen().await, Arc::clone(&waits));

    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for event in 0..effort.events {
        let sent = Instant::now();
        publish(&raw, "plain", key, event).await?;
        timeout(PATIENCE, plain.next()).await?.context("a message")?;
        theirs.push(sent.elapsed().as_secs_f64());
        ours.push(woken(&raw, &waits, key, event).await?);
    }
    listening.abort();
    link.close().await;

    let p99 = [&mut theirs, &mut ours].map(|times| quantile(times, 0.99));
    let (theirs, ours) = (quantile(&mut theirs, 0.5), quantile(&mut ours, 0.5));
    let pairs: Pairs = std::iter::once((theirs, ours)).collect();
    let compared = format!("publish to receive {}, p99 {}", time(theirs), time(p99[0]));
    let what = format!("a waiter woken after a publication, p50; p99 {}", time(p99[1]));
    Ok(vec![Row::bounded(NAME, what, time(ours), compared, pairs.ratio(), Bound::AtMost(2.0))])
}

/// A replica's reaction to what it hears.
fn listen(mut change_feed: Box<dyn Listen>, waits: Arc<WaitMap>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(heard) = change_feed.next().await {
            match heard {
                Heard::Changed { key, generation } => waits.wake(key, generation),
                Heard::Gap => continue,
            };
        }
    })
}

/// From before the publication until a task that waited goes on.
async fn woken(
    raw: &MultiplexedConnection,
    waits: &Arc<WaitMap>,
    key: AccountKey,
    event: usize,
) -> Result<f64> {
    let mut waiting = waits.register(key);
    let (asleep, ready) = oneshot::channel();
    let waiter = tokio::spawn(async move {
        let _ = asleep.send(());
        waiting.woken().await;
        Instant::now()
    });
    ready.await?;
    let sent = Instant::now();
    publish(raw, &format!("{PREFIX}:news"), key, event).await?;
    Ok((timeout(PATIENCE, waiter).await?? - sent).as_secs_f64())
}

async fn publish(raw: &MultiplexedConnection, channel: &str, key: AccountKey, event: usize) -> Result<()> {
    let notification = format!("{key} {}", event + 1);
    Ok(redis::cmd("PUBLISH").arg(channel).arg(notification).exec_async(&mut raw.clone()).await?)
}

const PREFIX: &str = "bench";
/// A message that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(5);
