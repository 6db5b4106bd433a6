//! From a URL to a store.

use std::{borrow::Cow, sync::Arc};

use sqlx::postgres::PgPoolOptions;
use tokio_util::task::TaskTracker;

use super::{
    Db, PostgresStore, address, error::PostgresError, ready::Readiness, session::PATIENCE,
    timeline::Timelines,
};

/// Enough for the rotations of one process; each is two short statements.
const CONNECTIONS: u32 = 8;

impl PostgresStore {
    /// A store in the database at `url`, which need not be there yet. Whoever comes first when it is makes or migrates
    /// its tables; until then everything fails as not applied. TLS according to `sslmode` in the URL: `verify-full` is
    /// what protects tokens on the way, `require` encrypts without knowing to whom, and the default encrypts where the
    /// server offers it.
    ///
    /// # Errors
    /// [`PostgresError::Url`], which does not repeat the URL: it may hold a password. A parameter that is not known is
    /// refused by its name, and not skipped: it may be a misspelt one.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(url: &str) -> Result<Self, PostgresError> {
        let options = address::read(url)?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        let pool = pool.connect_lazy_with(options.clone());
        let db = Db { pool, options, readiness: Readiness::default(), timelines: Timelines::default() };
        Ok(Self { db: Arc::new(db), tasks: TaskTracker::new() })
    }

    /// Checks a URL as [`open`](Self::open) does, without opening anything.
    ///
    /// # Errors
    /// The words for what was expected instead. They do not repeat the URL: it may hold a password.
    pub fn check_url(url: &str) -> Result<(), Cow<'static, str>> {
        match address::read(url) {
            Err(PostgresError::Url { expected }) => Err(expected),
            _ => Ok(()),
        }
    }

    /// As [`open`](Self::open), with errors at once: makes or migrates the tables before it returns.
    ///
    /// # Errors
    /// [`PostgresError`]: the database cannot be reached, is a standby, forbids what is needed, or has a newer schema.
    /// None of them repeats the URL.
    ///
    /// # Cancel safety
    /// Dropping the future leaves whole tables or none.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(url: &str) -> Result<Self, PostgresError> {
        let store = Self::open(url)?;
        store.db.be_ready().await?;
        Ok(store)
    }
}
