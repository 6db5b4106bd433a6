//! The locations of rows, answers, tokens and leases, by name.

use std::{path::PathBuf, sync::Arc};

#[cfg(any(feature = "redis", feature = "sqlite", feature = "postgres"))]
use solekey_core::InputError;
use solekey_core::ports::{Answers, Cache, ChangeFeed, Clock, Lease, RateLimiter, Store};
#[cfg(feature = "postgres")]
use solekey_core::{ExposeSecret as _, Secret};

#[cfg(feature = "redis")]
use crate::seal::SealedNames;
use crate::{
    answer_files::AnswerFiles,
    builder::Builder,
    error::BuildError,
    process::{Closer, IndexWalk},
    seal::SealKeys,
};

/// Places named by URL or path, opened when the instance is built.
#[derive(Debug, Default)]
pub(crate) struct Places {
    #[cfg(feature = "redis")]
    redis: Option<Redis>,
    #[cfg(feature = "sqlite")]
    sqlite: Option<PathBuf>,
    #[cfg(feature = "postgres")]
    postgres: Option<Secret>,
    state_dir: Option<PathBuf>,
}

#[cfg(feature = "redis")]
#[derive(Debug)]
struct Redis {
    url: String,
    prefix: String,
}

/// The ports that are open.
pub(crate) struct Backends {
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) answers: Option<Arc<dyn Answers>>,
    /// The same, where they are files of this host.
    pub(crate) files: Option<AnswerFiles>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) change_feed: Option<Arc<dyn ChangeFeed>>,
    pub(crate) lease: Option<Arc<dyn Lease>>,
    pub(crate) rate_limiter: Option<Arc<dyn RateLimiter>>,
    pub(crate) index: Option<IndexWalk>,
    pub(crate) closers: Vec<Closer>,
}

impl Builder {
    /// Coordinates through this Redis or Valkey: leases, shared tokens, notifications and the starts of background refreshes; answers too, unless rows are kept there
    /// as well. Without another store rows are kept there.
    #[cfg(feature = "redis")]
    pub fn redis(mut self, url: impl Into<String>) -> Self {
        let prefix = self.places.redis.take().map_or_else(|| DEFAULT_PREFIX.to_owned(), |redis| redis.prefix);
        self.places.redis = Some(Redis { url: url.into(), prefix });
        self
    }

    /// The prefix of all keys in Redis. Default `solekey`.
    #[cfg(feature = "redis")]
    pub fn redis_prefix(mut self, prefix: impl Into<String>) -> Self {
        let url = self.places.redis.take().map_or_else(String::new, |redis| redis.url);
        self.places.redis = Some(Redis { url, prefix: prefix.into() });
        self
    }

    /// Keeps rows in this SQLite file: for one host, any number of processes.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(mut self, path: impl Into<PathBuf>) -> Self {
        self.places.sqlite = Some(path.into());
        self
    }

    /// Keeps rows in this PostgreSQL database, in a schema of its own: for any number of hosts. Replicas also notify each
    /// other there, by LISTEN and NOTIFY, of what they do not hear through Redis. A server that is away is no error.
    ///
    /// Without Redis answers are files in [`state_dir`](Self::state_dir), which has no default then.
    #[cfg(feature = "postgres")]
    pub fn postgres(mut self, url: impl Into<String>) -> Self {
        self.places.postgres = Some(solekey_core::secret(url.into()));
        self
    }

    /// Keeps answers in files in this folder, where Redis is the store or absent. Default: next to the SQLite file.
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.places.state_dir = Some(path.into());
        self
    }
}

#[cfg(feature = "sqlite")]
impl crate::Solekey {
    /// Starts building an instance for one host: rows in the SQLite file at `path`, answers in files next to it. All
    /// processes of the host may share the file.
    pub fn embedded(path: impl Into<PathBuf>) -> Builder {
        Self::builder().sqlite(path)
    }
}

impl Places {
    /// Opens what is named and not given otherwise.
    #[cfg_attr(not(any(feature = "redis", feature = "sqlite")), expect(clippy::unused_async))]
    pub(crate) async fn open(
        self,
        mut given: Backends,
        clock: &Arc<dyn Clock>,
        #[cfg_attr(not(feature = "redis"), expect(unused_variables))] seal: &Arc<SealKeys>,
    ) -> Result<Backends, BuildError> {
        #[cfg(feature = "sqlite")]
        let adjacent = self.sqlite.as_ref().map(|path| folder_of_answers(path));
        #[cfg(not(feature = "sqlite"))]
        let adjacent: Option<PathBuf> = None;
        #[cfg(feature = "sqlite")]
        if let Some(path) = &self.sqlite {
            open_sqlite(path, &mut given).await?;
        }
        #[cfg(feature = "postgres")]
        if let Some(url) = &self.postgres {
            open_postgres(url.expose_secret(), &mut given)?;
        }
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            open_redis(redis, seal, &mut given).await?;
        }
        if given.answers.is_none()
            && let Some(folder) = self.state_dir.or(adjacent)
        {
            let files = AnswerFiles::open(&folder, Arc::clone(clock));
            let opened = |source| BuildError::Open { what: "the folder of answers", source };
            let files = files.map_err(|error| opened(error.into()))?;
            given.answers = Some(Arc::new(files.clone()));
            given.files = Some(files);
        }
        Ok(given)
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: &std::path::Path, given: &mut Backends) -> Result<(), BuildError> {
    if given.store.is_some() {
        return Err(InputError::new("store", "one store").into());
    }
    let store = solekey_store_sql::SqliteStore::open(path).await;
    let store =
        Arc::new(store.map_err(|error| BuildError::Open { what: "the SQLite store", source: error.into() })?);
    given.closers.push(Closer::Sqlite(Arc::clone(&store)));
    given.change_feed.get_or_insert_with(|| Arc::new(store.change_feed()));
    given.store = Some(store);
    Ok(())
}

#[cfg(feature = "postgres")]
fn open_postgres(url: &str, given: &mut Backends) -> Result<(), BuildError> {
    use solekey_store_sql::{PostgresError, PostgresStore};

    if given.store.is_some() {
        return Err(InputError::new("store", "one store").into());
    }
    // It is opened without being asked: all that can be wrong now is the URL.
    let store = PostgresStore::open(url).map_err(|error| match error {
        PostgresError::Url { expected } => InputError::new("store.url", expected).into(),
        other => BuildError::Open { what: "the PostgreSQL store", source: other.into() },
    })?;
    given.closers.push(Closer::Postgres(store.clone()));
    given.change_feed.get_or_insert_with(|| Arc::new(store.change_feed()));
    given.store = Some(Arc::new(store));
    Ok(())
}

/// The folder of answers unless another one is named: next to the SQLite file.
#[cfg(feature = "sqlite")]
pub fn folder_of_answers(path: &std::path::Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".answers");
    path.with_file_name(name)
}

#[cfg(feature = "redis")]
async fn open_redis(redis: &Redis, seal: &Arc<SealKeys>, given: &mut Backends) -> Result<(), BuildError> {
    use solekey_cache::{RedisCache, RedisRateLimiter};
    use solekey_redis_link::{LinkOptions, RedisLink};
    use solekey_redis_lock::{LockOptions, RedisLease, RedisLock};
    use solekey_store_redis::{RedisAnswers, RedisStore};

    let Redis { url, prefix } = redis;
    let link = RedisLink::connect(url, LinkOptions::default())
        .await
        .map_err(|error| InputError::new(format!("redis.{}", error.field), error.expected))?;
    let channel = None;
    let lock = RedisLock::with_options(link.clone(), LockOptions { channel, ..LockOptions::default() });
    given.closers.push(Closer::Link(link.clone(), lock.clone()));
    if given.store.is_some() {
        let answers = RedisAnswers::new(link.clone(), prefix)?;
        given.answers.get_or_insert_with(|| Arc::new(answers));
    } else {
        let mut store = RedisStore::new(link.clone(), prefix)?;
        if seal.is_sealing() {
            store = store.seal_names(Arc::new(SealedNames(Arc::clone(seal))));
        }
        let index = store.clone();
        given.index = Some(IndexWalk::new(move || {
            let index = index.clone();
            Box::pin(async move { index.rebuild_index().await })
        }));
        given.store = Some(Arc::new(store));
    }
    let rate_limiter = RedisRateLimiter::new(link.clone(), prefix)?;
    given.rate_limiter.get_or_insert_with(|| Arc::new(rate_limiter));
    let cache = RedisCache::new(link, prefix)?;
    given.cache.get_or_insert_with(|| Arc::new(cache));
    given.lease.get_or_insert_with(|| Arc::new(RedisLease::new(lock, prefix)));
    Ok(())
}

#[cfg(feature = "redis")]
const DEFAULT_PREFIX: &str = "solekey";
