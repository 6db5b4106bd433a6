use std::{
    env,
    sync::{Arc, Weak},
};

use tokio::sync::Mutex;

use super::{error::PostgresFixtureError, server::PostgresServer};

/// A server that several tests use at once, each in a database of its own.
///
/// Nobody configures or kills it: for that, start a [`PostgresServer`] of your own.
#[derive(Debug)]
#[non_exhaustive]
pub struct SharedPostgres {
    /// A database in which databases can be created.
    pub url: String,
    /// The name of the databases of this test, or its beginning. Random, hence not there at the start.
    pub name: String,
    /// Keeps the server running for as long as a test uses it.
    server: Option<Arc<PostgresServer>>,
}

impl SharedPostgres {
    /// Returns whether the server belongs to the tests; `false` with `DATABASE_URL`.
    pub fn is_own(&self) -> bool {
        self.server.is_some()
    }

    /// The URL of the database [`name`](Self::name), once it was created.
    pub fn url_of_own_database(&self) -> String {
        let mut url = url::Url::parse(&self.url).expect("a URL");
        url.set_path(&self.name);
        url.into()
    }
}

/// The server named by `DATABASE_URL`, or else one that this process starts and shares among its tests for as long as
/// any of them uses it.
///
/// # Errors
/// As [`PostgresServer::start`].
///
/// # Cancel safety
/// Dropping the future leaves nothing behind.
pub async fn postgres_for_tests() -> Result<SharedPostgres, PostgresFixtureError> {
    let name = format!("solekey_test_{}", uuid::Uuid::new_v4().simple());
    if let Some(url) = env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")) {
        return Ok(SharedPostgres { url, name, server: None });
    }
    let server = own().await?;
    Ok(SharedPostgres { url: server.url(), name, server: Some(server) })
}

/// Returns whether the test run does without PostgreSQL, by its name in `SOLEKEY_TEST_WITHOUT`.
pub fn is_waived() -> bool {
    let without = env::var("SOLEKEY_TEST_WITHOUT").unwrap_or_default();
    without.split([',', ' ']).any(|name| name == "postgres")
}

async fn own() -> Result<Arc<PostgresServer>, PostgresFixtureError> {
    let mut running = OWN.lock().await;
    if let Some(server) = running.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(PostgresServer::start().await?);
    *running = Arc::downgrade(&server);
    Ok(server)
}

static OWN: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
