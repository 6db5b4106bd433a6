//! A connection for the length of one operation, with a bound on every statement.

use std::{io, time::Duration};

use solekey_core::ports::StoreError;
use sqlx::{
    Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tokio::time::timeout;

use super::Db;

/// How long a statement may take: far longer than any of ours does, short enough that an owner learns in time that the
/// store is stuck.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// How long the wait for a connection may take. Shorter than an owner of the usual span waits for a store: it hears that
/// nothing was done, and need not take it for unknown.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// A statement with its arguments.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A connection of the pool, in use.
pub(super) struct Session {
    /// `None` once it was given up.
    connection: Option<PoolConnection<Postgres>>,
}

impl Db {
    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        self.be_ready().await.map_err(StoreError::not_applied)?;
        let connection = self.pool.acquire().await.map_err(StoreError::not_applied)?;
        Ok(Session { connection: Some(connection) })
    }
}

impl Session {
    /// Asks. Nothing has changed when it fails.
    pub(super) async fn ask(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        self.run(statement).await.map_err(StoreError::not_applied)
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// As not applied where the server said that it failed; as unknown where nothing was heard of it.
    pub(super) async fn tell(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        self.run(statement).await.map_err(|error| {
            if is_refused(&error) { StoreError::not_applied(error) } else { StoreError::unknown(error) }
        })
    }

    /// Closes the connection instead of handing it back: the server at its other end is the wrong one.
    pub(super) fn give_up(&mut self) {
        // Outside of the pool it is closed by being dropped: no farewell that a dead network could hold up.
        drop(self.connection.take().map(PoolConnection::detach));
    }

    async fn run(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        let done = match timeout(LIMIT, statement.fetch_all(&mut **connection)).await {
            Ok(done) => done,
            Err(late) => Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, late))),
        };
        done.inspect_err(|error| {
            if !is_refused(error) || is_standby(error) {
                self.give_up();
            }
        })
    }
}

/// The server said that it did not do it, and goes on.
fn is_refused(error: &sqlx::Error) -> bool {
    let Some(code) = code(error) else { return false };
    // A server that ends a session (57P) or loses it (08) may have committed before.
    !code.starts_with("57P") && !code.starts_with("08")
}

/// A standby takes no writes: another server is the primary now.
fn is_standby(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "25006")
}

/// Two logins brought one token at the same instant, or two sessions met in another way that the next try resolves.
pub(super) fn is_collision(error: &StoreError) -> bool {
    const UNIQUE_VIOLATION: &str = "23505";
    const SERIALIZATION_FAILURE: &str = "40001";
    const DEADLOCK: &str = "40P01";
    let StoreError::Unavailable(trouble) = error else { return false };
    let source = std::error::Error::source(trouble).and_then(|source| source.downcast_ref::<sqlx::Error>());
    source
        .and_then(code)
        .is_some_and(|code| [UNIQUE_VIOLATION, SERIALIZATION_FAILURE, DEADLOCK].contains(&code.as_str()))
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
