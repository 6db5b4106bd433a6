//! Many accounts in one replica.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use solekey_cache::{Entry, ProcessCache, Times};
use solekey_core::{Generation, Moment, ports::Store};
use solekey_store_redis::RedisStore;

use crate::{
    cpu::process_time,
    effort::Effort,
    registered::register,
    replica::{Endpoint, account, builder},
    server,
    table::{Row, short, time},
};

pub(crate) const NAME: &str = "scale";

pub(crate) async fn run(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = vec![memory(effort)?];
    rows.push(idle(effort).await?);
    Ok(rows)
}

/// The memory of the index of the process level, the tokens in it not counted.
fn memory(effort: &Effort) -> Result<Row> {
    let accounts = effort.accounts;
    let before = resident()?;
    let mut index: ProcessCache<Arc<()>> = ProcessCache::default();
    let now = Moment::from_micros(0);
    let until = now + Duration::from_hours(1);
    let times = Times { good_until: until, ahead_from: until, valid_until: until };
    let nothing = Arc::new(());
    let counted = allocation_counter::measure(|| {
        index = ProcessCache::new(accounts + accounts / 8);
        for number in 0..accounts {
            let entry = Entry::new(Generation::new(1), Arc::clone(&nothing), times, index.begin_read(now));
            index.fill(account(number).key(), entry);
        }
    });
    let (taken, held) = (resident()?.saturating_sub(before), index.len());
    let each = usize::try_from(counted.bytes_current)? / held.max(1);
    let ours = format!("{} MB, {each} bytes allocated each", short(mb(taken)));
    let what = format!("resident memory of an index with {held} accounts, tokens not counted");
    let tokens = format!("their tokens of 1 KiB alone {} MB", short(mb(held * 1_024)));
    Ok(Row::shown(NAME, what, ours, tokens, None))
}

/// A replica over a store full of accounts that nobody asks for.
async fn idle(effort: &Effort) -> Result<Row> {
    let redis = server::redis().await?;
    let prefix = "idle";
    let link = server::link(&redis).await?;
    let store: Arc<dyn Store> = Arc::new(RedisStore::new(link.clone(), prefix)?);
    let folder = tempfile::tempdir()?;
    let replica = builder(&Endpoint::new())?.redis(redis.url()).redis_prefix(prefix).state_dir(folder.path());
    let replica = replica.build().await?;
    register(&store, effort.accounts, Duration::from_mins(50)).await?;
    link.close().await;
    let before = process_time();
    tokio::time::sleep(Duration::from_secs(effort.idle_secs)).await;
    let worked = process_time().saturating_sub(before).as_secs_f64();
    replica.shutdown(Duration::from_secs(1)).await;
    let per_minute = worked * 60.0 / effort.idle_secs as f64;
    let what = format!("CPU of an idle minute, {} accounts registered", effort.accounts);
    let compared = format!("measured over {} s", effort.idle_secs);
    Ok(Row::shown(NAME, what, time(per_minute), compared, None))
}

/// Bytes of this process in memory.
fn resident() -> Result<usize> {
    let pages = fs::read_to_string("/proc/self/statm").context("resident memory is read from /proc")?;
    let pages: usize = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).context("statm")?;
    Ok(pages * rustix::param::page_size())
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
