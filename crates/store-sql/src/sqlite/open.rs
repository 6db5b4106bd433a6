//! From a path to a store.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection as _,
    migrate::{MigrateError, Migrator},
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
        SqliteSynchronous,
    },
};
use tokio_util::task::TaskTracker;

use super::{SqliteStore, StoreClock, db::Db};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The longest time that a change waits for another process' transaction, and for its turn within this one: far longer
/// than any transaction of ours takes, short enough that an owner learns in time that the store is stuck.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Enough to keep reads off each other's way; SQLite answers them from memory.
const READERS: u32 = 4;

/// The reason why a SQLite file could not be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be created or written.
    #[error("cannot open {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a SQLite database, or SQLite cannot use it.
    #[error("{} cannot be used as a SQLite database", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer version of Solekey has changed the file's tables.
    #[error("{} was written by a newer version of solekey (schema {version})", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The schema found.
        version: i64,
    },
}

impl SqliteStore {
    /// Opens the store in the file at `path`, creating it with mode 0600 where there is none. Any number of processes
    /// of one host may have it open; it must not lie on a network file system.
    ///
    /// # Errors
    /// [`OpenError`]: the file cannot be created, is no SQLite database, or has a newer schema.
    ///
    /// # Cancel safety
    /// Dropping the future leaves at most an empty, valid file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = create(path.as_ref())?;
        migrate(&path).await?;
        let [writer, notifier] = [writing(&path), unsynced(&path)].map(|options| {
            pool(1)
                .after_connect(|writer, _| Box::pin(hurry(writer)))
                .after_release(|writer, _| Box::pin(is_at_rest(writer)))
                .connect_lazy_with(options)
        });
        let reader = pool(READERS).connect_lazy_with(reading(&path));
        tracing::debug!(path = %path.display(), "store opened");
        let db = Db { writer, reader, notifier, path, clock: StoreClock::start() };
        Ok(Self { db: Arc::new(db), tasks: TaskTracker::new() })
    }
}

/// Once connected, whoever wants to write waits in a queue of ours.
async fn hurry(writer: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA busy_timeout = 8").execute(writer).await.map(drop)
}

/// Returns whether a writer can begin another transaction. Where there is no space, or the disk fails, SQLite rolls
/// back by itself; the connection then counts a transaction that is not there, and would refuse every later one.
async fn is_at_rest(writer: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // A rollback that was begun when a transaction was dropped is over after this.
    writer.ping().await?;
    Ok(!writer.is_in_transaction())
}

/// SQLite would create the file for everybody to read, and its journals with the same mode as the file.
fn create(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    // Absolute, because SQLite gives names such as `:memory:` and `file:x` a meaning of their own.
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&absolute).map_err(failed)?;
    Ok(absolute)
}

async fn migrate(path: &Path) -> Result<(), OpenError> {
    let unusable = |source: sqlx::Error| OpenError::Database { path: path.to_owned(), source: source.into() };
    let mut connection = connect(path).await.map_err(unusable)?;
    // The migrator takes no lock on SQLite: inside a writing transaction of ours, one process migrates at a time.
    let mut change = connection.begin_with("BEGIN IMMEDIATE").await.map_err(unusable)?;
    let migrated = MIGRATIONS.run_direct(None, &mut *change, false).await;
    migrated.map_err(|error| refused(path, error))?;
    change.commit().await.map_err(unusable)?;
    connection.close().await.map_err(unusable)
}

fn refused(path: &Path, error: MigrateError) -> OpenError {
    let path = path.to_owned();
    match error {
        MigrateError::VersionMissing(version) => OpenError::NewerSchema { path, version },
        other => OpenError::Database { path, source: other.into() },
    }
}

/// SQLite does not wait for others while a file is switched to WAL, so whoever opens it at the same moment as another
/// process has to come again.
async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let give_up = tokio::time::Instant::now() + BUSY;
    loop {
        match SqliteConnection::connect_with(&writing(path)).await {
            Err(error) if is_busy(&error) && tokio::time::Instant::now() < give_up => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            settled => return settled,
        }
    }
}

pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: i32 = 5;
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

fn writing(path: &Path) -> SqliteConnectOptions {
    durable(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A rotation that is lost after its acknowledgement is a lost account: every commit reaches the disk.
        .synchronous(SqliteSynchronous::Full)
        // What a change replaces may be a token that lay there in clear: it is overwritten, not only let go.
        .pragma("secure_delete", "ON")
}

/// In WAL mode a commit of such a connection reaches the disk with the next one that syncs.
fn unsynced(path: &Path) -> SqliteConnectOptions {
    durable(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal)
}

pub(super) fn reading(path: &Path) -> SqliteConnectOptions {
    durable(path).pragma("query_only", "ON")
}

/// What every connection has, for the last one to close moves the log into the file.
fn durable(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY);
    if solekey_core::mutant("a_sync_ends_in_the_drives_cache") {
        return options;
    }
    // On macOS an ordinary sync leaves the data in the cache of the drive; elsewhere these have no effect.
    options.pragma("fullfsync", "ON").pragma("checkpoint_fullfsync", "ON")
}

fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(BUSY)
        .idle_timeout(None)
        .max_lifetime(None)
        // There is no network that could have gone away meanwhile.
        .test_before_acquire(false)
}

/// The pools of one store.
pub(super) type Pool = SqlitePool;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_core::{
        Account, ClaimId, Fingerprint, Login, NewFacts, Sealed,
        ports::{Store as _, StoreError, Trouble},
    };
    use sqlx::Row as _;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn every_commit_reaches_the_disk_readers_cannot_write_and_writers_queue() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("solekey.db")).await.unwrap();
        let full = sqlx::query("PRAGMA synchronous").fetch_one(&store.db.writer).await.unwrap();
        let wal = sqlx::query("PRAGMA journal_mode").fetch_one(&store.db.writer).await.unwrap();
        assert_eq!((full.get::<i64, _>(0), wal.get::<&str, _>(0)), (2, "wal"));
        let erased = sqlx::query("PRAGMA secure_delete").fetch_one(&store.db.writer).await.unwrap();
        assert_eq!(erased.get::<i64, _>(0), 1, "a token that was replaced is not left in the file");
        let normal = sqlx::query("PRAGMA synchronous").fetch_one(&store.db.notifier).await.unwrap();
        assert_eq!(
            normal.get::<i64, _>(0),
            1,
            "what it moves out of the log is in the file before that is emptied"
        );
        for pool in [&store.db.writer, &store.db.reader, &store.db.notifier] {
            for flag in ["PRAGMA fullfsync", "PRAGMA checkpoint_fullfsync"] {
                let on = sqlx::query(flag).fetch_one(pool).await.unwrap();
                assert_eq!(on.get::<i64, _>(0), 1, "{flag}");
            }
        }
        let handler = sqlx::query("PRAGMA busy_timeout").fetch_one(&store.db.writer).await.unwrap();
        assert!(handler.get::<i64, _>(0) < 10, "SQLite's own waiting is not fair");
        assert!(sqlx::query("UPDATE clock SET seen = 1").execute(&store.db.reader).await.is_err());
    }

    /// Lets the file grow to so many pages; returns how many it has.
    async fn limit(store: &SqliteStore, pages: i64) -> i64 {
        sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
            .fetch_one(&store.db.writer)
            .await
            .unwrap();
        sqlx::query("PRAGMA page_count").fetch_one(&store.db.writer).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn a_change_for_which_there_is_no_space_is_not_made_and_is_made_once_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("solekey.db")).await.unwrap();
        let account = Account::new("acme", "a").unwrap();
        let refresh = Some(Fingerprint::new([1; 16]));
        let access = Fingerprint::new([2; 16]);
        let facts = NewFacts { access, refresh, expires_in: None, refresh_expires_in: None };
        let id = ClaimId::new(Uuid::new_v4());
        let login = Login {
            id,
            facts,
            accept_spent: false,
            accept_lesser: false,
            amends: None,
            due_in: None,
            as_of: None,
        };
        let payload = Sealed::new(vec![0; 100_000]);

        let pages = limit(&store, 1_000_000).await;
        limit(&store, pages).await;
        let full = store.login(&account, &login, &payload).await;
        assert!(matches!(full, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{full:?}");
        assert_eq!(store.load(&account).await.unwrap().record, None);

        limit(&store, pages + 1_000).await;
        store.login(&account, &login, &payload).await.unwrap();
        assert!(store.load(&account).await.unwrap().record.is_some());
    }
}
