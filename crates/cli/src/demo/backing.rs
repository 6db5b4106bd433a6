//! The server or file that the replicas coordinate through.

use std::env;
use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use solekey_testkit::redis::{RedisServer, find_server_on_path};
use tokio::time::timeout;

/// The server or file that the replicas coordinate through.
#[derive(Debug)]
pub(super) enum Backing {
    /// A Redis server, which keeps the rows as well.
    Redis(Box<SharedRedis>),
    /// One SQLite file.
    Embedded,
}

/// A Redis server, and the corner of it that the demo uses.
#[derive(Debug)]
pub(super) struct SharedRedis {
    pub(super) url: String,
    /// Random, so that nothing else is there and nothing else is touched.
    pub(super) prefix: String,
    origin: Origin,
    /// Keeps a server of our own running.
    _server: Option<RedisServer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Flag,
    Environment,
    Path,
}

impl Backing {
    /// Goes down the ladder: the flag, `REDIS_URL`, a server on `PATH`, none.
    pub(super) async fn choose(flag: Option<&str>) -> anyhow::Result<Self> {
        if let Some(url) = flag {
            return Self::given(url, Origin::Flag).await;
        }
        if let Some(url) = env::var("REDIS_URL").ok().filter(|url| !url.is_empty()) {
            return Self::given(&url, Origin::Environment).await;
        }
        let Some(binary) = find_server_on_path() else { return Ok(Self::Embedded) };
        let server = RedisServer::builder().binary(binary).append_only().start().await;
        let server = server.context("cannot start the Redis server found on PATH")?;
        Ok(Self::Redis(Box::new(SharedRedis {
            url: server.url(),
            prefix: random_prefix(),
            origin: Origin::Path,
            _server: Some(server),
        })))
    }

    async fn given(url: &str, origin: Origin) -> anyhow::Result<Self> {
        let redis = SharedRedis { url: url.to_owned(), prefix: random_prefix(), origin, _server: None };
        let ping = async { redis::cmd("PING").exec_async(&mut redis.connect().await?).await };
        let answer = timeout(GIVEN_BOUND, ping).await.context("it does not respond");
        answer.and_then(|pong| Ok(pong?)).with_context(|| format!("cannot use {origin}"))?;
        Ok(Self::Redis(Box::new(redis)))
    }

    /// Removes what the demo has left on a server that is not its own.
    ///
    /// # Errors
    /// The server does not respond; the message states what is left.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the rest.
    pub(super) async fn clean_up(&self) -> anyhow::Result<()> {
        match self {
            Self::Redis(redis) if redis.origin != Origin::Path => {
                let left = || format!("keys that begin with {} are left", redis.prefix);
                timeout(GIVEN_BOUND, redis.remove_keys()).await.with_context(left)?.with_context(left)
            }
            _ => Ok(()),
        }
    }

    /// The word for it in the report.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Embedded => "embedded",
        }
    }
}

impl SharedRedis {
    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(GIVEN_BOUND))
            .set_response_timeout(Some(GIVEN_BOUND));
        let client = redis::Client::open(self.url.as_str())?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn remove_keys(&self) -> redis::RedisResult<()> {
        let mut connection = self.connect().await?;
        let pattern = format!("{}*", self.prefix);
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
            if !keys.is_empty() {
                redis::cmd("DEL").arg(keys).exec_async(&mut connection).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}

/// Never the URL: it may hold a password.
impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(redis) => write!(f, "redis: {}", redis.origin),
            Self::Embedded => {
                f.write_str("embedded: one SQLite file (no REDIS_URL, no Redis or Valkey server on PATH)")
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "the server of --redis",
            Self::Environment => "the server of REDIS_URL",
            Self::Path => "a server of the demo's own, found on PATH",
        })
    }
}

fn random_prefix() -> String {
    format!("solekey-demo-{}", uuid::Uuid::new_v4().simple())
}

/// A server on another continent answers within it.
const GIVEN_BOUND: Duration = Duration::from_secs(5);
const SCAN_COUNT: u32 = 1000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_testkit::redis::Resp;

    use super::*;

    #[tokio::test]
    async fn a_given_server_loses_what_the_demo_left_and_nothing_else() {
        let server = RedisServer::start().await.unwrap();
        let Backing::Redis(redis) = Backing::choose(Some(&server.url())).await.unwrap() else {
            panic!("a given server is used");
        };
        let ours = format!("{}:{{00}}:rec", redis.prefix);
        for key in [ours.as_str(), "solekey-demo", "theirs"] {
            server.command(&["SET", key, "1"]).await.unwrap();
        }
        Backing::Redis(redis).clean_up().await.unwrap();
        assert_eq!(server.command(&["EXISTS", &ours]).await.unwrap(), Resp::Integer(0));
        assert_eq!(server.command(&["DBSIZE"]).await.unwrap(), Resp::Integer(2));
    }

    #[tokio::test]
    async fn a_given_server_that_cannot_be_used_is_an_error_without_its_password() {
        for url in ["nonsense", "redis://:hush@127.0.0.1:1/"] {
            let error = Backing::choose(Some(url)).await.unwrap_err();
            let text = format!("{error:#}");
            assert!(
                text.starts_with("cannot use the server of --redis: ") && !text.contains("hush"),
                "{text}"
            );
        }
    }
}
