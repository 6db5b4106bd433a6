use std::env;
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::error::FixtureError;
use super::server::RedisServer;

/// A server that several tests use at once, each under a prefix of its own.
///
/// Nobody flushes, configures, pauses or kills it: for that, start a [`RedisServer`] of your own.
#[derive(Debug)]
#[non_exhaustive]
pub struct SharedRedis {
    /// The URL of the server.
    pub url: String,
    /// The prefix of every key of this test. Random, hence empty at the start.
    pub prefix: String,
    /// Keeps the server running for as long as a test uses it.
    server: Option<Arc<RedisServer>>,
}

impl SharedRedis {
    /// Returns whether the server belongs to the tests; `false` with `REDIS_URL`.
    pub fn is_own(&self) -> bool {
        self.server.is_some()
    }
}

/// The server named by `REDIS_URL`, or else one that this process starts and shares among its tests for as long as
/// any of them uses it.
///
/// # Errors
/// As [`RedisServer::start`].
///
/// # Cancel safety
/// Dropping the future leaves nothing behind.
pub async fn redis_for_tests() -> Result<SharedRedis, FixtureError> {
    shared(env::var("REDIS_URL").ok().filter(|url| !url.is_empty())).await
}

async fn shared(given: Option<String>) -> Result<SharedRedis, FixtureError> {
    let prefix = format!("solekey-test-{}", uuid::Uuid::new_v4().simple());
    if let Some(url) = given {
        return Ok(SharedRedis { url, prefix, server: None });
    }
    let server = own().await?;
    Ok(SharedRedis { url: server.url(), prefix, server: Some(server) })
}

async fn own() -> Result<Arc<RedisServer>, FixtureError> {
    let mut running = OWN.lock().await;
    if let Some(server) = running.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(RedisServer::start().await?);
    *running = Arc::downgrade(&server);
    Ok(server)
}

static OWN: Mutex<Weak<RedisServer>> = Mutex::const_new(Weak::new());

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_given_server_is_used_under_a_random_prefix() {
        let given = || shared(Some("redis://example:6379/".into()));
        let (a, b) = (given().await.unwrap(), given().await.unwrap());
        assert_eq!(a.url, "redis://example:6379/");
        assert!(!a.is_own());
        assert_ne!(a.prefix, b.prefix);
    }

    #[tokio::test]
    async fn without_one_the_tests_share_their_own_server_under_different_prefixes() {
        let (a, b) = (shared(None).await.unwrap(), shared(None).await.unwrap());
        assert_eq!(a.url, b.url);
        assert!(a.is_own());
        assert_ne!(a.prefix, b.prefix);
    }
}
