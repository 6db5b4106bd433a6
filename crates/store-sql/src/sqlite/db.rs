//! Transactions and reads on the file.

use std::path::PathBuf;

use solekey_core::{
    Account, ROW_FORMAT, StoreTime, mutant,
    ports::{Loaded, Record, StoreError},
};
use sqlx::{Connection as _, Row as _, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};

use super::{StoreClock, archive, open::Pool, presented, queue::Queue};
use crate::{
    change::{Change, Outcome},
    record::{Columns, encode_row, micros, number, time},
};

/// An open file.
pub(super) struct Db {
    /// One connection: SQLite has one writer, and queueing here is fair where its busy handler is not.
    pub(super) writer: Pool,
    pub(super) reader: Pool,
    /// For notifications, which nobody needs after a crash: its commits are not synced.
    pub(super) notifier: Pool,
    pub(super) path: PathBuf,
    pub(super) clock: StoreClock,
}

impl Db {
    /// Opens a writing transaction. Nothing that fails before its commit changes anything: SQLite rolls it back, at
    /// the latest when the transaction is dropped.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.begin_on(&self.writer).await
    }

    pub(super) async fn begin_on(&self, pool: &Pool) -> Result<Transaction<'static, Sqlite>, StoreError> {
        let queue = Queue::join();
        loop {
            match pool.begin_with(LOCK).await.map_err(StoreError::not_applied) {
                Err(error) => queue.wait_for_lock(error).await?,
                begun => return begun,
            }
        }
    }

    pub(super) async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        let mut connection = self.reader.acquire().await.map_err(StoreError::not_applied)?;
        self.read(&mut connection, account).await
    }

    /// Reads the row and the time. The time is taken first, so that what it makes of the row errs towards "still in
    /// flight".
    pub(super) async fn read(
        &self,
        connection: &mut SqliteConnection,
        account: &Account,
    ) -> Result<Loaded, StoreError> {
        let before = self.clock.now(StoreTime::default());
        let found = sqlx::query(
            "SELECT clock.seen, account.format, account.due_at, account.row, account.payload
             FROM clock LEFT JOIN account ON account.provider = ? AND account.id = ?",
        )
        .bind(account.provider())
        .bind(account.id())
        .fetch_one(connection)
        .await
        .map_err(StoreError::not_applied)?;
        let seen = time(found.try_get("seen").map_err(StoreError::not_applied)?);
        let columns = columns(&found).map_err(StoreError::not_applied)?;
        let record = columns.map(Columns::decode).transpose()?;
        Ok(Loaded { record, now: before.max(seen) })
    }

    /// Applies a change, and says what the row is afterwards.
    pub(super) async fn change<T, E>(&self, change: Change<T, E>) -> Result<(E, Loaded), StoreError> {
        let mut writer = self.writer.acquire().await.map_err(StoreError::not_applied)?;
        let queue = Queue::join();
        loop {
            match self.attempt(&mut writer, &change).await {
                Err(error) => queue.wait_for_lock(error).await?,
                done => return done,
            }
        }
    }

    /// Reads first, outside of a transaction: of many who find the same answer for the row one writes it, and the
    /// others should neither queue for the file's one lock nor hold up those who have something to write. What they see
    /// has reached the disk: in WAL mode with `synchronous=FULL` a commit is visible after its sync. (One that a crash
    /// left without may be seen after the recovery; it was acknowledged to nobody.)
    async fn attempt<T, E>(
        &self,
        writer: &mut SqliteConnection,
        change: &Change<T, E>,
    ) -> Result<(E, Loaded), StoreError> {
        if change.asks_about.is_none() {
            let before = self.read(writer, &change.account).await?;
            let outcome = self.decide(change, before, false)?;
            if outcome.after.is_none() {
                return Ok((outcome.effect, outcome.before));
            }
        }
        let mut tx = writer.begin_with(LOCK).await.map_err(StoreError::not_applied)?;
        let before = self.read(&mut tx, &change.account).await?;
        let elsewhere = elsewhere(&mut tx, change, before.now).await?;
        let Outcome { effect, before, after } = self.decide(change, before, elsewhere)?;
        let Some(after) = after else { return Ok((effect, before)) };
        write(&mut tx, &change.account, before.record.as_ref(), &after, before.now).await?;
        commit(tx).await?;
        Ok((effect, Loaded { record: Some(after), ..before }))
    }

    /// The outcome of a change for a row that was read.
    fn decide<T, E>(
        &self,
        change: &Change<T, E>,
        before: Loaded,
        claimed_elsewhere: bool,
    ) -> Result<Outcome<E>, StoreError> {
        let now = self.clock.now(before.now);
        change.decide(Loaded { now, ..before }, claimed_elsewhere)
    }

    /// Writes a value unless there is one.
    pub(super) async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut tx = self.begin().await?;
        let pin =
            sqlx::query("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)").bind(name).bind(value);
        pin.execute(&mut *tx).await.map_err(StoreError::not_applied)?;
        let pinned =
            sqlx::query("SELECT value FROM meta WHERE name = ?").bind(name).fetch_one(&mut *tx).await;
        let pinned = pinned.and_then(|row| row.try_get("value")).map_err(StoreError::not_applied)?;
        commit(tx).await?;
        Ok(pinned)
    }

    /// Reads a value.
    pub(super) async fn pinned(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let found = sqlx::query("SELECT value FROM meta WHERE name = ?").bind(name);
        let found = found.fetch_optional(&self.reader).await.map_err(StoreError::not_applied)?;
        let pinned = found.map(|row| row.try_get("value")).transpose().map_err(StoreError::not_applied)?;
        Ok(pinned.unwrap_or_default())
    }

    /// Replaces a value if it is the one seen.
    pub(super) async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut tx = self.begin().await?;
        let repin = sqlx::query("UPDATE meta SET value = ? WHERE name = ? AND value = ?");
        let repin = repin.bind(value).bind(name).bind(seen);
        repin.execute(&mut *tx).await.map_err(StoreError::not_applied)?;
        let found = sqlx::query("SELECT value FROM meta WHERE name = ?").bind(name);
        let found = found.fetch_optional(&mut *tx).await.map_err(StoreError::not_applied)?;
        let pinned = found.map(|row| row.try_get("value")).transpose().map_err(StoreError::not_applied)?;
        commit(tx).await?;
        Ok(pinned.unwrap_or_default())
    }
}

/// Ends a writing transaction. From here on nobody knows, until it is acknowledged, whether it happened.
pub(super) async fn commit(tx: Transaction<'_, Sqlite>) -> Result<(), StoreError> {
    let did_nothing = mutant("failed_commit_did_nothing");
    tx.commit().await.map_err(if did_nothing { StoreError::not_applied } else { StoreError::unknown })
}

/// Leaves the time in the file, below which no later change happens.
pub(super) async fn write_clock(tx: &mut SqliteConnection, now: StoreTime) -> Result<(), StoreError> {
    let written = sqlx::query("UPDATE clock SET seen = ?").bind(micros(now)).execute(tx).await;
    written.map(drop).map_err(StoreError::not_applied)
}

/// Returns whether others know the token asked about, or the archive does.
async fn elsewhere<T, E>(
    tx: &mut SqliteConnection,
    change: &Change<T, E>,
    now: StoreTime,
) -> Result<bool, StoreError> {
    let Some(token) = change.asks_about else { return Ok(false) };
    let of_others =
        presented::elsewhere(tx, &change.account, token).await.map_err(StoreError::not_applied)?;
    Ok(of_others || archive::remembers(tx, token, now).await.map_err(StoreError::not_applied)?)
}

async fn write(
    tx: &mut SqliteConnection,
    account: &Account,
    before: Option<&Record>,
    record: &Record,
    now: StoreTime,
) -> Result<(), StoreError> {
    let Record { row, payload } = record;
    sqlx::query(
        "INSERT INTO account (provider, id, generation, format, gone, due_at, row, payload)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (provider, id) DO UPDATE SET generation = excluded.generation, format = excluded.format,
             gone = excluded.gone, due_at = excluded.due_at, row = excluded.row, payload = excluded.payload",
    )
    .bind(account.provider())
    .bind(account.id())
    .bind(number(row.generation.get()))
    .bind(i64::from(ROW_FORMAT))
    .bind(row.is_gone())
    .bind(row.due_at.map(micros))
    .bind(encode_row(row)?)
    .bind(payload.as_bytes())
    .execute(&mut *tx)
    .await
    .map_err(StoreError::not_applied)?;
    let before = before.map(|before| &before.row);
    presented::follow(tx, account, before, row).await.map_err(StoreError::not_applied)?;
    let archived = before.map(|before| row.archived_since(before, now)).unwrap_or_default();
    archive::enter(tx, &archived, now).await.map_err(StoreError::not_applied)?;
    write_clock(tx, now).await
}

fn columns(found: &SqliteRow) -> Result<Option<Columns>, sqlx::Error> {
    let Some(format) = found.try_get("format")? else { return Ok(None) };
    Ok(Some(Columns {
        format,
        due_at: found.try_get("due_at")?,
        row: found.try_get("row")?,
        payload: found.try_get("payload")?,
    }))
}

/// Takes the file's one lock for writing.
const LOCK: &str = "BEGIN IMMEDIATE";
