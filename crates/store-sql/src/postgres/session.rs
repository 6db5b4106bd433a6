//! A connection for the length of one operation, with a bound on every statement.

use std::{io, time::Duration};

use solekey_core::{mutant, ports::StoreError};
use sqlx::{
    Connection as _, PgConnection, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgDatabaseError, PgRow, PgSeverity},
    query::Query,
};
use tokio::time::timeout;

use super::Db;

/// The longest time that a statement may take: far longer than any of ours does, short enough that an owner learns in
/// time that the store is stuck.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// The longest wait for a connection. Shorter than an owner of the usual span waits for a store: it learns that nothing
/// was done, and need not take it for unknown.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// A statement with its arguments.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A connection in use.
pub(super) struct Session {
    /// `None` once it was given up.
    connection: Option<OpenConnection>,
}

enum OpenConnection {
    Pooled(PoolConnection<Postgres>),
    Separate(PgConnection),
}

impl OpenConnection {
    fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Separate(connection) => connection,
        }
    }
}

impl Db {
    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        self.be_ready().await.map_err(StoreError::not_applied)?;
        let connection = self.pool.acquire().await.map_err(StoreError::not_applied)?;
        Ok(Session { connection: Some(OpenConnection::Pooled(connection)) })
    }

    /// One with a connection of its own: connections of the pool may lead to a host that is gone.
    pub(super) async fn separate_session(&self) -> Result<Session, StoreError> {
        self.be_ready().await.map_err(StoreError::not_applied)?;
        let connecting = timeout(PATIENCE, PgConnection::connect_with(&self.options)).await;
        let connection = connecting.map_err(StoreError::not_applied)?.map_err(StoreError::not_applied)?;
        Ok(Session { connection: Some(OpenConnection::Separate(connection)) })
    }
}

impl Session {
    /// Reads. Nothing has changed when it fails.
    pub(super) async fn fetch(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        self.run(statement).await.map_err(StoreError::not_applied)
    }

    /// Executes a change.
    ///
    /// # Errors
    /// As not applied where the server replied that it failed; as unknown where no reply came.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        self.run(statement).await.map_err(|error| {
            if is_refused(&error) { StoreError::not_applied(error) } else { StoreError::unknown(error) }
        })
    }

    /// Closes the connection instead of handing it back: the server at its other end is the wrong one.
    pub(super) fn give_up(&mut self) {
        // Outside of the pool it is closed by being dropped: no farewell that a dead network could hold up.
        match self.connection.take() {
            Some(OpenConnection::Pooled(connection)) => drop(connection.detach()),
            Some(OpenConnection::Separate(_)) | None => {}
        }
    }

    async fn run(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        let done = match timeout(LIMIT, statement.fetch_all(connection.connection())).await {
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

/// Returns whether the server replied that it did not do it, and goes on.
fn is_refused(error: &sqlx::Error) -> bool {
    let found = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    found.is_some_and(|found| is_rolled_back(found.severity(), found.code()))
}

/// Returns whether an error with this severity and code undoes its statement. One that ends the session or the server may
/// come after the commit: where the log could not be synced, for example, the restart may find it there all the same.
fn is_rolled_back(severity: PgSeverity, code: &str) -> bool {
    let goes_on = severity == PgSeverity::Error || mutant("postgres_that_ends_has_done_nothing");
    goes_on && !MAY_BE_DONE.iter().any(|class| code.starts_with(class))
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

pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// The beginnings of codes that leave open whether a commit was made: a session that is ended (57P), a connection that is
/// lost (08, and 58 as poolers use it), a completion that is unknown.
const MAY_BE_DONE: [&str; 4] = ["57P", "08", "58", "40003"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_after_which_the_session_goes_on_is_a_refusal() {
        for (severity, code, expected) in [
            (PgSeverity::Error, "23505", true),
            (PgSeverity::Error, "40001", true),
            (PgSeverity::Error, "25006", true),
            (PgSeverity::Error, "53100", true),
            (PgSeverity::Error, "57014", true),
            (PgSeverity::Error, "40003", false),
            (PgSeverity::Error, "08006", false),
            (PgSeverity::Error, "08P01", false),
            (PgSeverity::Error, "58000", false),
            (PgSeverity::Fatal, "57P01", false),
            (PgSeverity::Fatal, "25P03", false),
            (PgSeverity::Panic, "53100", false),
            (PgSeverity::Panic, "58030", false),
        ] {
            assert_eq!(is_rolled_back(severity, code), expected, "{severity:?} {code}");
        }
    }
}
