//! A change feed among the processes that share a file.

use std::{
    collections::VecDeque,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use solekey_core::{
    AccountKey, Generation, mutant,
    ports::{ChangeFeed, Heard, Listen, StoreError, Trouble},
};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};
use tokio::time::sleep;

use super::{
    SqliteStore,
    db::{Db, commit},
    open::reading,
};
use crate::record::number;

/// Notifies the other processes that have the same file open of changed accounts, in a table of the newest notifications.
///
/// A listener has one connection of its own and reads SQLite's counter of commits every 50 ms, which costs a few
/// microseconds; it reads the table after commits alone. Whatever it missed is heard as a gap.
///
/// Notifications are not synced to the disk: they mean something to running processes only, and SQLite syncs them with
/// the next change of a row.
///
/// # Cancel safety
/// A notification is sent by a task of the store, whether or not anybody waits for it.
pub struct SqliteChangeFeed {
    store: SqliteStore,
    /// A process does not hear its own notifications.
    me: i64,
}

impl SqliteStore {
    /// The change feed among the processes that have this file open.
    pub fn change_feed(&self) -> SqliteChangeFeed {
        // Half of a random UUID.
        let me = uuid::Uuid::new_v4().as_u64_pair().0.cast_signed();
        SqliteChangeFeed { store: self.clone(), me }
    }
}

impl fmt::Debug for SqliteChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteChangeFeed").finish_non_exhaustive()
    }
}

#[async_trait]
impl ChangeFeed for SqliteChangeFeed {
    async fn notify(&self, key: AccountKey, generation: Generation) -> Result<(), Trouble> {
        let me = self.me;
        let sent = self.store.carry_out(|db| async move { db.notify(key, generation, me).await });
        sent.await.map_err(|error| match error {
            StoreError::Unavailable(trouble) => trouble,
            other => Trouble::not_applied(other),
        })
    }

    async fn listen(&self) -> Box<dyn Listen> {
        let path = self.store.db.path.clone();
        // Where the file cannot be read yet, that it can be is heard as a gap.
        let ears = Ears::open(&path).await.ok();
        Box::new(SqliteListener { path, me: self.me, heard: VecDeque::new(), ears })
    }
}

impl Db {
    async fn notify(&self, key: AccountKey, generation: Generation, me: i64) -> Result<(), StoreError> {
        let mut tx = self.begin_on(&self.notifier).await?;
        let notify = sqlx::query("INSERT INTO notification (account, generation, sender) VALUES (?, ?, ?)");
        let notify = notify.bind(key.to_string()).bind(number(generation.get())).bind(me);
        let id = notify.execute(&mut *tx).await.map_err(StoreError::not_applied)?.last_insert_rowid();
        let forget = sqlx::query("DELETE FROM notification WHERE id <= ?").bind(id - KEPT);
        forget.execute(&mut *tx).await.map_err(StoreError::not_applied)?;
        commit(tx).await
    }
}

/// A subscription.
struct SqliteListener {
    path: PathBuf,
    me: i64,
    /// Read and not handed out yet.
    heard: VecDeque<Heard>,
    /// `None`: the file cannot be read, and notifications made meanwhile may be missed.
    ears: Option<Ears>,
}

/// A connection, and what it has seen.
struct Ears {
    connection: SqliteConnection,
    /// SQLite's counter of other connections' commits.
    commits: i64,
    /// The last notification read.
    last: i64,
}

#[async_trait]
impl Listen for SqliteListener {
    async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let Some(ears) = &mut self.ears else {
                self.ears = Some(reopen(&self.path).await);
                return Some(Heard::Gap);
            };
            sleep(INTERVAL).await;
            match ears.read(self.me).await {
                Ok(heard) => self.heard.extend(heard),
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the SQLite file cannot be read"
                    );
                    self.ears = None;
                }
            }
        }
    }
}

impl Ears {
    async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = SqliteConnection::connect_with(&reading(path)).await?;
        let commits = commits(&mut connection).await?;
        let last =
            sqlx::query("SELECT coalesce(max(id), 0) FROM notification").fetch_one(&mut connection).await?;
        Ok(Self { last: last.try_get(0)?, connection, commits })
    }

    /// What has been notified since the last time. What was read is taken note of when all of it has been.
    async fn read(&mut self, me: i64) -> Result<Vec<Heard>, sqlx::Error> {
        let commits = commits(&mut self.connection).await?;
        if commits == self.commits {
            return Ok(Vec::new());
        }
        let newer =
            sqlx::query("SELECT id, account, generation, sender FROM notification WHERE id > ? ORDER BY id");
        let found = newer.bind(self.last).fetch_all(&mut self.connection).await?;
        let heard = heard(&found, self.last, me)?;
        if let Some(newest) = found.last() {
            self.last = newest.try_get("id")?;
        }
        self.commits = commits;
        Ok(heard)
    }
}

/// How often others have committed, as this connection sees it.
async fn commits(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("PRAGMA data_version").fetch_one(connection).await?.try_get(0)
}

/// Notifications of others, and a gap where some after the last one are not there any more. What cannot be read is ignored:
/// newer versions notify, too.
fn heard(found: &[SqliteRow], last: i64, me: i64) -> Result<Vec<Heard>, sqlx::Error> {
    let mut heard = Vec::new();
    let first: Option<i64> = found.first().map(|row| row.try_get("id")).transpose()?;
    if first.is_some_and(|first| first > last + 1) && !mutant("sqlite_listener_overlooks_a_gap") {
        heard.push(Heard::Gap);
    }
    for row in found {
        let generation = u64::try_from(row.try_get::<i64, _>("generation")?).unwrap_or_default();
        let (key, sender) = (AccountKey::parse(row.try_get("account")?), row.try_get::<i64, _>("sender")?);
        if let Some(key) = key.filter(|_| sender != me) {
            heard.push(Heard::Changed { key, generation: Generation::new(generation) });
        }
    }
    Ok(heard)
}

async fn reopen(path: &Path) -> Ears {
    loop {
        match Ears::open(path).await {
            Ok(ears) => return ears,
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the SQLite file cannot be read yet"
                );
            }
        }
        sleep(PAUSE).await;
    }
}

/// Others are to learn of a login within 100 ms.
const INTERVAL: Duration = Duration::from_millis(50);
/// Between two connections that could not be had.
const PAUSE: Duration = Duration::from_secs(1);
/// The newest notifications that stay: far more than are made within an interval.
const KEPT: i64 = 4_096;
