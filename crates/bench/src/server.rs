//! The servers that are measured against, and plain connections to them.

use anyhow::{Context as _, Result};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use solekey_redis_link::{LinkOptions, RedisLink};
use solekey_testkit::{
    postgres::PostgresServer,
    redis::{RedisServer, Resp},
};

/// A Redis of the benchmark's own.
pub(crate) async fn redis() -> Result<RedisServer> {
    RedisServer::start().await.context("no Redis; `scripts/with-servers cargo run …` fetches one")
}

/// A PostgreSQL of the benchmark's own.
pub(crate) async fn postgres() -> Result<PostgresServer> {
    PostgresServer::start().await.context("no PostgreSQL")
}

/// A multiplexed connection as redis-rs makes it.
pub(crate) async fn raw(server: &RedisServer) -> Result<MultiplexedConnection> {
    let client = Client::open(server.url())?;
    Ok(client.get_multiplexed_async_connection_with_config(&AsyncConnectionConfig::new()).await?)
}

/// Our link.
pub(crate) async fn link(server: &RedisServer) -> Result<RedisLink> {
    Ok(RedisLink::connect(&server.url(), LinkOptions::default()).await?)
}

/// The number of commands the server has processed.
pub(crate) async fn processed(server: &RedisServer) -> Result<u64> {
    let info = server.command(&["INFO", "stats"]).await?;
    let Resp::Bulk(Some(info)) = info else { anyhow::bail!("INFO answered something else") };
    let info = String::from_utf8_lossy(&info).into_owned();
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.and_then(|count| count.trim().parse().ok()).context("INFO counts no commands")
}

/// Its make and version.
pub(crate) async fn version(server: &RedisServer) -> Result<String> {
    let info = server.command(&["INFO", "server"]).await?;
    let Resp::Bulk(Some(info)) = info else { anyhow::bail!("INFO answered something else") };
    let info = String::from_utf8_lossy(&info).into_owned();
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let valkey = field("valkey_version:").map(|version| format!("Valkey {version}"));
    valkey.or_else(|| field("redis_version:").map(|version| format!("Redis {version}"))).context("no version")
}
