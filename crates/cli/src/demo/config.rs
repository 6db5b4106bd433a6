//! The configuration files of the replicas.

use std::path::Path;

use serde::Serialize;
use solekey_testkit::provider::AuthorizationServer;

use super::backing::Backing;
use super::dialect::{Dialect, Ways};
use super::provider::PROVIDER;

/// The environment variable in which a replica finds the key that seals what it stores.
pub(super) const SEAL_KEY_ENV: &str = "SOLEKEY_DEMO_SEAL_KEY";

/// A `solekey.toml`.
#[derive(Serialize)]
pub(super) struct Config<'a> {
    listen: &'static str,
    state_dir: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<RedisTable<'a>>,
    store: StoreTable,
    seal: SealTable,
    provider: [ProviderTable; 1],
}

#[derive(Serialize)]
struct RedisTable<'a> {
    url: &'a str,
    prefix: &'a str,
}

#[derive(Serialize)]
struct StoreTable {
    url: String,
    /// The demo's own server writes every change to disk before it acknowledges it; of a server we were given nothing
    /// is known, and the accounts are made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    accept_loss: Option<bool>,
}

#[derive(Serialize)]
struct SealTable {
    key_env: &'static str,
}

#[derive(Serialize)]
struct ProviderTable {
    name: &'static str,
    #[serde(flatten)]
    ways: Ways,
    exchange_timeout: &'static str,
    quarantine: &'static str,
    max_wait: &'static str,
    lease: LeaseTable,
}

#[derive(Serialize)]
struct LeaseTable {
    ttl: &'static str,
}

impl<'a> Config<'a> {
    /// A replica that shares `backing`, and `folder` with the others of its host.
    pub(super) fn coordinated(
        provider: &AuthorizationServer,
        dialect: &Dialect,
        name: &str,
        backing: &'a Backing,
        folder: &'a Path,
    ) -> Self {
        let (redis, store) = match backing {
            Backing::Redis(redis) => {
                let table = RedisTable { url: &redis.url, prefix: &redis.prefix };
                (Some(table), StoreTable { url: "redis".into(), accept_loss: Some(true) })
            }
            Backing::Embedded => (None, sqlite(folder)),
        };
        Self { redis, store, ..Self::alone(provider, dialect, name, folder) }
    }

    /// A replica that shares nothing: its own file in its own folder.
    pub(super) fn alone(
        provider: &AuthorizationServer,
        dialect: &Dialect,
        name: &str,
        folder: &'a Path,
    ) -> Self {
        Self {
            listen: "127.0.0.1:0",
            state_dir: folder,
            redis: None,
            store: sqlite(folder),
            seal: SealTable { key_env: SEAL_KEY_ENV },
            provider: [ProviderTable {
                name: PROVIDER,
                ways: dialect.ways(provider, name),
                // Beyond what an exchange takes on a machine that is busy with other things.
                exchange_timeout: "2s",
                quarantine: "3s",
                max_wait: "20s",
                lease: LeaseTable { ttl: "4s" },
            }],
        }
    }
}

fn sqlite(folder: &Path) -> StoreTable {
    StoreTable { url: format!("sqlite://{}", folder.join("solekey.db").display()), accept_loss: None }
}
