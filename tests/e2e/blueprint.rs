//! The parts of a replica, in a form that can be handed to another process.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use solekey::{
    Builder, Provider, SealKeys, Solekey,
    core::{InDoubt, Policy, PolicySettings, Replay, ports::Store},
};
use solekey_providers::{EndpointSettings, HttpEndpoint};
use solekey_redis_link::{LinkOptions, RedisLink};
use solekey_store_redis::{RedisAnswers, RedisStore};
use solekey_store_sql::{PostgresStore, SqliteStore};

use crate::stops::{HinderedStore, Stop, StoppingEndpoint};

/// The provider's name in all tests.
pub(crate) const PROVIDER: &str = "acme";

/// The parts of a replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Blueprint {
    pub(crate) token_url: String,
    pub(crate) backing: Backing,
    pub(crate) terms: Terms,
    pub(crate) seal_keys: Option<String>,
    /// The point at which the replica stops for good, until it is killed.
    pub(crate) stop: Option<Stop>,
}

/// The servers and files through which replicas coordinate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Backing {
    /// Redis for everything; answers in files.
    Redis { url: String, prefix: String, state_dir: PathBuf },
    /// Rows in a SQLite file, everything else in Redis.
    RedisAndSqlite { url: String, prefix: String, file: PathBuf },
    /// Rows in Redis reached through `rows`, everything else in the same Redis reached through `url`.
    RedisByTwoWays { rows: String, url: String, prefix: String },
    /// One SQLite file, and files next to it.
    Embedded { file: PathBuf },
    /// Rows in PostgreSQL, answers in files of one host.
    Postgres { url: String, state_dir: PathBuf },
    /// Rows in PostgreSQL, everything else in Redis.
    RedisAndPostgres { url: String, prefix: String, rows: String },
}

/// The settings by which the provider's accounts are refreshed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// Without it a spent token revokes the grant at once.
    pub(crate) grace: Option<Duration>,
    pub(crate) ask_login: bool,
    pub(crate) exchange_timeout: Duration,
    pub(crate) quarantine: Duration,
    pub(crate) max_wait: Duration,
}

impl Default for Terms {
    /// So long that a machine which is busy or stopped for a while ends no exchange and no wait. Tests that wait for an
    /// attempt to end use [`Terms::quick`].
    fn default() -> Self {
        Self {
            grace: None,
            ask_login: false,
            exchange_timeout: Duration::from_secs(30),
            quarantine: Duration::from_secs(45),
            max_wait: Duration::from_mins(1),
        }
    }
}

impl Terms {
    /// An attempt that nobody answers is in doubt after four seconds. Each doubt is waited for twice as long, and an
    /// exchange that is answered has to end in three: far more than it takes on a busy machine.
    pub(crate) fn quick() -> Self {
        let (exchange_timeout, quarantine) = (Duration::from_secs(3), Duration::from_secs(4));
        Self { exchange_timeout, quarantine, ..Self::default() }
    }

    fn policy(self) -> Policy {
        let Self { grace, ask_login, exchange_timeout, quarantine, max_wait } = self;
        let settings = PolicySettings {
            replay: grace.map_or(Replay::STRICT_FAMILY, Replay::grace),
            in_doubt: if ask_login { InDoubt::AskLogin } else { InDoubt::LastChance },
            exchange_timeout,
            quarantine: Some(quarantine),
            max_wait,
            ..PolicySettings::default()
        };
        settings.build().expect("valid terms")
    }
}

impl Blueprint {
    /// A builder with everything in place, for tests that change something about it.
    pub(crate) async fn builder(&self) -> Builder {
        let builder = self.furnished().await;
        match (&self.backing, self.stop) {
            (_, Some(stop)) => {
                let (inner, lag) = (self.rows().await, Duration::ZERO);
                builder.store(Arc::new(HinderedStore { inner, stop: Some(stop), lag, loads: Arc::default() }))
            }
            (Backing::Redis { .. }, None) => builder,
            (Backing::RedisByTwoWays { .. }, None) => builder.store(self.rows().await),
            (Backing::RedisAndSqlite { file, .. } | Backing::Embedded { file }, None) => builder.sqlite(file),
            (Backing::RedisAndPostgres { rows: url, .. } | Backing::Postgres { url, .. }, None) => {
                builder.postgres(url)
            }
        }
    }

    /// The same over this store.
    pub(crate) async fn builder_over(&self, store: Arc<dyn Store>) -> Builder {
        self.furnished().await.store(store)
    }

    pub(crate) async fn build(&self) -> Solekey {
        self.builder().await.build().await.expect("a replica")
    }

    /// The store of the rows, for reads that bypass the replicas.
    pub(crate) async fn rows(&self) -> Arc<dyn Store> {
        match &self.backing {
            Backing::Redis { url, prefix, .. } | Backing::RedisByTwoWays { rows: url, prefix, .. } => {
                Arc::new(RedisStore::new(link(url).await, prefix).unwrap())
            }
            Backing::RedisAndSqlite { file, .. } | Backing::Embedded { file } => {
                Arc::new(SqliteStore::open(file).await.unwrap())
            }
            Backing::RedisAndPostgres { rows: url, .. } | Backing::Postgres { url, .. } => {
                Arc::new(PostgresStore::open(url).unwrap())
            }
        }
    }

    fn provider(&self) -> Provider {
        let endpoint = self.endpoint();
        let policy = self.terms.policy();
        let provider = match self.stop {
            Some(stop) => {
                Provider::new(PROVIDER, policy, Arc::new(StoppingEndpoint { inner: endpoint, stop }))
            }
            None => Provider::new(PROVIDER, policy, Arc::new(endpoint)),
        };
        provider.expect("a valid provider")
    }

    pub(crate) fn endpoint(&self) -> HttpEndpoint {
        let settings = EndpointSettings {
            token_url: self.token_url.clone(),
            client_id: "solekey-tests".to_owned(),
            ..EndpointSettings::default()
        };
        settings.build().expect("valid settings")
    }

    /// Everything but the rows.
    async fn furnished(&self) -> Builder {
        // What these tests count was asked for; `background` is about the rest.
        let builder = Solekey::builder().provider(self.provider()).without_refresher();
        let builder = match &self.seal_keys {
            Some(ring) => builder.seal(SealKeys::parse(ring).expect("a valid key ring")),
            None => builder,
        };
        match &self.backing {
            Backing::Redis { url, prefix, state_dir } => {
                builder.redis(url).redis_prefix(prefix).state_dir(state_dir)
            }
            Backing::RedisAndSqlite { url, prefix, .. } | Backing::RedisAndPostgres { url, prefix, .. } => {
                builder.redis(url).redis_prefix(prefix)
            }
            Backing::RedisByTwoWays { url, prefix, .. } => {
                let answers = RedisAnswers::new(link(url).await, prefix).unwrap();
                builder.redis(url).redis_prefix(prefix).answers(Arc::new(answers))
            }
            Backing::Embedded { file } => builder.state_dir(file.with_extension("db.answers")),
            Backing::Postgres { state_dir, .. } => builder.state_dir(state_dir),
        }
    }
}

async fn link(url: &str) -> RedisLink {
    RedisLink::connect(url, LinkOptions::default()).await.expect("a URL")
}

/// Options for a test's own reads of Redis: it waits for the longest time that a link can be configured to.
pub(crate) fn patient() -> LinkOptions {
    let longest = Duration::from_mins(1);
    LinkOptions {
        command_timeout: longest,
        connect_timeout: longest,
        slow: longest,
        ..LinkOptions::default()
    }
}
