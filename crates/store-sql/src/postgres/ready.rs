//! Tables that are there, of our version.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use sqlx::{Connection as _, PgConnection, Row as _, migrate::MigrateError, postgres::PgConnectOptions};
use tokio::{sync::OnceCell, time::timeout};

use super::{Db, PostgresError, session::LIMIT, timeline::Timelines};

/// The knowledge that the tables are there.
#[derive(Default)]
pub(super) struct Readiness {
    made: OnceCell<()>,
    /// True if a warning that they are not was logged already.
    warned: AtomicBool,
}

impl Db {
    /// Returns once the tables are there, of this version; sends nothing any more after the first time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves whole tables or none.
    pub(super) async fn be_ready(&self) -> Result<(), PostgresError> {
        let Readiness { made, warned } = &self.readiness;
        if made.initialized() {
            return Ok(());
        }
        let late = |_| Err(unusable(sqlx::Error::Io(io::ErrorKind::TimedOut.into())));
        let made = made.get_or_try_init(|| prepare(&self.options, &self.timelines));
        match timeout(LIMIT, made).await.unwrap_or_else(late) {
            Ok(()) => {
                if warned.swap(false, Relaxed) {
                    tracing::info!("the PostgreSQL database can be used");
                }
                Ok(())
            }
            Err(error) => {
                if !warned.swap(true, Relaxed) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the PostgreSQL database cannot be used yet; each operation tries again"
                    );
                }
                Err(error)
            }
        }
    }
}

/// On a connection of its own, which ends with it: a lock that is left behind by a future that was dropped ends, too.
async fn prepare(options: &PgConnectOptions, timelines: &Timelines) -> Result<(), PostgresError> {
    let mut connection = PgConnection::connect_with(options).await.map_err(unusable)?;
    check(&mut connection).await?;
    migrate(&mut connection).await?;
    timelines.probe(&mut connection).await.map_err(unusable)?;
    // What was to be done is done.
    let _ = connection.close().await;
    Ok(())
}

/// Checks the server before anything is written.
async fn check(connection: &mut PgConnection) -> Result<(), PostgresError> {
    let found = sqlx::query("SELECT pg_is_in_recovery() AS standby, current_setting('fsync') AS fsync");
    let found = found.fetch_one(connection).await.map_err(unusable)?;
    if found.try_get("standby").map_err(unusable)? {
        return Err(PostgresError::Standby);
    }
    if found.try_get::<&str, _>("fsync").map_err(unusable)? != "on" {
        tracing::warn!(
            "PostgreSQL runs with fsync off; a loss of power can lose acknowledged changes and with them accounts"
        );
    }
    Ok(())
}

async fn migrate(connection: &mut PgConnection) -> Result<(), PostgresError> {
    let mut migrator = sqlx::migrate!("migrations/postgres");
    migrator.dangerous_set_table_name("solekey.migrations");
    // Its own lock is a session's; behind a pooler in transaction mode a session is nobody's.
    migrator.set_locking(false);
    let mut change = connection.begin_with("BEGIN").await.map_err(unusable)?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ONE_AT_A_TIME);
    lock.execute(&mut *change).await.map_err(unusable)?;
    let there = sqlx::query("SELECT FROM pg_namespace WHERE nspname = 'solekey'");
    if there.fetch_optional(&mut *change).await.map_err(unusable)?.is_none() {
        // Only where it is missing: a role that owns it need not be allowed to create others.
        sqlx::query("CREATE SCHEMA solekey").execute(&mut *change).await.map_err(unusable)?;
    }
    migrator.run_direct(None, &mut *change, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => PostgresError::NewerSchema { version },
        other => PostgresError::Database(other.into()),
    })?;
    change.commit().await.map_err(unusable)
}

fn unusable(error: sqlx::Error) -> PostgresError {
    PostgresError::Database(error.into())
}

/// The name of the lock of those who make tables: "solekey" in ASCII.
const ONE_AT_A_TIME: i64 = 0x0073_6f6c_656b_6579;
