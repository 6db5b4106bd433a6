//! From a URL to a store.

use std::{borrow::Cow, sync::Arc};

use sqlx::postgres::PgPoolOptions;
use tokio_util::task::TaskTracker;

use super::{Db, PostgresStore, address, ready::Readiness, session::PATIENCE};

/// Enough for the rotations of one process; each is two short statements.
const CONNECTIONS: u32 = 8;

/// Why a PostgreSQL database cannot be used as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The URL is not one, or says something that is not known.
    #[error("expected {expected}")]
    Url {
        /// What it has to say instead; never what it said, but for the name of an unknown parameter.
        expected: Cow<'static, str>,
    },
    /// The database cannot be reached, or does not let us in.
    #[error("the PostgreSQL database cannot be used")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server is a standby.
    #[error("the PostgreSQL server is a standby; expected the primary")]
    Standby,
    /// A newer version of Solekey has changed the tables.
    #[error("the tables were made by a newer version of solekey (schema {version})")]
    NewerSchema {
        /// The schema found.
        version: i64,
    },
}

impl PostgresStore {
    /// A store in the database at `url`, which need not be there yet. Whoever comes first when it is makes or migrates
    /// its tables; until then everything fails as not applied. TLS as `sslmode` in the URL says: `verify-full` is what
    /// protects tokens on the way, `require` encrypts without knowing to whom, and the default encrypts where the server
    /// offers it.
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
        let db = Db { pool, options, readiness: Readiness::default() };
        Ok(Self { db: Arc::new(db), tasks: TaskTracker::new() })
    }

    /// As [`open`](Self::open), for whoever wants to know at once: makes or migrates the tables before it returns.
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
