//! A due scan: a thousand of many accounts, taken.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use redis::aio::MultiplexedConnection;
use solekey_core::ports::Store;
use solekey_store_redis::RedisStore;
use solekey_store_sql::{PostgresStore, SqliteStore};
use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    effort::Effort,
    registered::register,
    replica::PROVIDER,
    rounds::{Pairs, in_turn},
    server,
    table::{Row, time},
};

pub(crate) const REDIS: &str = "due-redis";
pub(crate) const SQLITE: &str = "due-sqlite";
pub(crate) const POSTGRES: &str = "due-postgres";

pub(crate) async fn redis(effort: &Effort) -> Result<Vec<Row>> {
    let redis = server::redis().await?;
    let link = server::link(&redis).await?;
    let store: Arc<dyn Store> = Arc::new(RedisStore::new(link.clone(), "bench")?);
    register(&store, effort.accounts, AT_ONCE).await?;
    let raw = server::raw(&redis).await?;
    let read = async || {
        let mut raw: MultiplexedConnection = raw.clone();
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg("bench:due:{1b32c28cb38c0548}").arg("-inf").arg("+inf").arg("LIMIT").arg(0).arg(TAKEN);
        let began = Instant::now();
        let found: Vec<String> = range.query_async(&mut raw).await?;
        ensure!(found.len() == TAKEN, "accounts are due");
        Ok(began.elapsed().as_secs_f64())
    };
    let pairs = in_turn(rounds(effort), read, async || take(&store).await).await?;
    link.close().await;
    Ok(vec![row(REDIS, effort, &pairs, "reading them, ZRANGEBYSCORE")])
}

pub(crate) async fn sqlite(effort: &Effort) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bench.db");
    let opened = Arc::new(SqliteStore::open(&file).await?);
    let store: Arc<dyn Store> = opened.clone();
    register(&store, 1, AT_ONCE).await?;
    let mut raw = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file)).await?;
    sqlx::query(MORE_IN_SQLITE).bind(i64::try_from(effort.accounts)?).execute(&mut raw).await?;
    let read = async || {
        let began = Instant::now();
        let found = sqlx::query(
            "SELECT provider, id FROM account WHERE provider = 'bench' AND due_at > 0 ORDER BY due_at LIMIT 1000",
        );
        ensure!(found.fetch_all(&mut raw).await?.len() == TAKEN, "accounts are due");
        Ok(began.elapsed().as_secs_f64())
    };
    let pairs = in_turn(rounds(effort), read, async || take(&store).await).await?;
    opened.close().await;
    Ok(vec![row(SQLITE, effort, &pairs, "reading them, SELECT")])
}

pub(crate) async fn postgres(effort: &Effort) -> Result<Vec<Row>> {
    let server = server::postgres().await?;
    let opened = Arc::new(PostgresStore::connect(&server.url()).await?);
    let store: Arc<dyn Store> = opened.clone();
    register(&store, 1, AT_ONCE).await?;
    let mut raw = PgConnection::connect(&server.url()).await?;
    sqlx::query(MORE_IN_POSTGRES).bind(i64::try_from(effort.accounts)?).execute(&mut raw).await?;
    sqlx::query("ANALYZE solekey.account").execute(&mut raw).await?;
    let read = async || {
        let began = Instant::now();
        let found = sqlx::query(
            "SELECT provider, id FROM solekey.account WHERE provider = 'bench' AND due_at > 0 ORDER BY due_at LIMIT 1000",
        );
        ensure!(found.fetch_all(&mut raw).await?.len() == TAKEN, "accounts are due");
        Ok(began.elapsed().as_secs_f64())
    };
    let pairs = in_turn(rounds(effort), read, async || take(&store).await).await?;
    opened.close().await;
    Ok(vec![row(POSTGRES, effort, &pairs, "reading them, SELECT")])
}

/// Seconds until a thousand are ours.
async fn take(store: &Arc<dyn Store>) -> Result<f64> {
    let began = Instant::now();
    let taken = store.due(PROVIDER, Duration::from_hours(1), TAKEN).await?;
    ensure!(taken.len() == TAKEN, "{} of {TAKEN} taken", taken.len());
    Ok(began.elapsed().as_secs_f64())
}

fn row(bench: &'static str, effort: &Effort, pairs: &Pairs, peer: &str) -> Row {
    let what = format!("due: {TAKEN} of {} accounts taken", effort.accounts);
    Row::shown(bench, what, time(pairs.ours()), format!("{peer} {}", time(pairs.peer())), Some(pairs.ratio()))
}

/// Each round takes a thousand that nobody else can have.
fn rounds(effort: &Effort) -> usize {
    effort.rounds.min(effort.accounts / TAKEN - 1)
}

const TAKEN: usize = 1_000;

// Copies of the one row that a login wrote: a million logins, each of them durable, would take an hour.
const MORE_IN_SQLITE: &str = "
    WITH RECURSIVE copy (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM copy WHERE number < ?)
    INSERT INTO account SELECT provider, 'copy-' || number, generation, format, gone, due_at, row, payload
    FROM account, copy";
const MORE_IN_POSTGRES: &str = "
    INSERT INTO solekey.account (provider, id, revision, generation, format, gone, due_at, changed_at, row, payload)
    SELECT provider, 'copy-' || number, revision, generation, format, gone, due_at, changed_at, row, payload
    FROM solekey.account, generate_series(1, $1) number";
const AT_ONCE: Duration = Duration::ZERO;
