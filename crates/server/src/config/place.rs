//! Where rows and answers are kept.

use std::path::PathBuf;

use solekey::{
    Builder,
    core::{ExposeSecret as _, InputError, Secret},
};
use solekey_redis_link::RedisLink;
use solekey_store_sql::PostgresStore;

use super::{
    settings::{Password, RedisSettings, StoreSettings},
    spelled::Values,
};
use crate::doctor::RedisPart;

/// Where rows and answers are kept, and through what replicas coordinate.
#[derive(Debug)]
pub(super) struct Backing {
    redis: Option<Redis>,
    rows: Rows,
    state_dir: Option<PathBuf>,
}

#[derive(Debug)]
struct Redis {
    url: Secret,
    prefix: Option<String>,
}

#[derive(Debug)]
enum Rows {
    Redis,
    Sqlite(PathBuf),
    /// At this URL, which may hold a password.
    Postgres(Secret),
}

impl Backing {
    pub(super) fn new(
        redis: Option<RedisSettings>,
        store: StoreSettings,
        state_dir: Option<PathBuf>,
    ) -> Result<Self, InputError> {
        let StoreSettings { url, state_dir: of_store, accept_loss: _ } = store;
        let rows = match &url {
            Some(Password(url)) => Rows::parse(url.expose_secret(), redis.is_some())?,
            None if redis.is_some() => Rows::Redis,
            None => Rows::Sqlite(DEFAULT_FILE.into()),
        };
        if state_dir.is_some() && of_store.is_some() {
            return Err(InputError::new("store.state_dir", "to be given once, here or as state_dir"));
        }
        let redis = redis.map(|RedisSettings { url: Password(url), prefix }| Redis { url, prefix });
        Ok(Self { redis, rows, state_dir: state_dir.or(of_store) })
    }

    /// Whether rows are kept in Redis and nowhere else.
    pub(super) fn is_redis_alone(&self) -> bool {
        matches!(self.rows, Rows::Redis)
    }

    /// What replicas coordinate through.
    pub(super) fn name(&self) -> &'static str {
        match (&self.rows, &self.redis) {
            (Rows::Redis, _) => "redis",
            (Rows::Sqlite(_), Some(_)) => "redis and sqlite",
            (Rows::Sqlite(_), None) => "embedded",
            (Rows::Postgres(_), Some(_)) => "redis and postgres",
            (Rows::Postgres(_), None) => "postgres",
        }
    }

    pub(super) fn redis_part(&self, accept_loss: bool) -> Option<RedisPart> {
        self.redis.as_ref().map(|redis| RedisPart {
            url: redis.url.clone(),
            prefix: redis.prefix.clone().unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
            accept_loss,
        })
    }

    /// The URL of the PostgreSQL in which rows are kept.
    pub(super) fn postgres(&self) -> Option<&Secret> {
        match &self.rows {
            Rows::Postgres(url) => Some(url),
            Rows::Redis | Rows::Sqlite(_) => None,
        }
    }

    /// The folder of answers as files: together with rows in Redis, or without Redis.
    pub(super) fn answer_folder(&self) -> Option<PathBuf> {
        match (&self.rows, &self.redis) {
            (Rows::Redis, _) | (Rows::Postgres(_), None) => {
                Some(self.state_dir.clone().unwrap_or_else(|| DEFAULT_STATE_DIR.into()))
            }
            (Rows::Sqlite(_) | Rows::Postgres(_), Some(_)) => None,
            (Rows::Sqlite(file), None) => {
                Some(self.state_dir.clone().unwrap_or_else(|| solekey::folder_of_answers(file)))
            }
        }
    }

    /// Returns the mistakes in URLs, which opening them would find, too.
    pub(super) fn problems(&self) -> Vec<InputError> {
        let redis =
            self.redis.as_ref().and_then(|redis| RedisLink::check_url(redis.url.expose_secret()).err());
        let redis = redis.map(|error| InputError::new(format!("redis.{}", error.field), error.expected));
        let postgres = self.postgres().and_then(|url| PostgresStore::check_url(url.expose_secret()).err());
        let postgres = postgres.map(|expected| InputError::new("store.url", expected));
        redis.into_iter().chain(postgres).collect()
    }

    /// Returns the values of its keys where they are not set.
    pub(super) fn defaults(&self) -> Values {
        let mut values = Values::default();
        values.put("redis.prefix", self.redis.as_ref().map(|_| DEFAULT_PREFIX));
        values.put(
            "store.url",
            match &self.rows {
                Rows::Redis => Some("redis".to_owned()),
                Rows::Sqlite(file) => Some(format!("sqlite://{}", file.display())),
                Rows::Postgres(_) => None,
            },
        );
        let folder = self.answer_folder().filter(|_| self.state_dir.is_none());
        values.put("state_dir", folder);
        values
    }

    pub(super) fn furnish(self, mut builder: Builder) -> Builder {
        let folder = self.answer_folder();
        if let Some(Redis { url, prefix }) = self.redis {
            builder = builder.redis(url.expose_secret());
            if let Some(prefix) = prefix {
                builder = builder.redis_prefix(prefix);
            }
        }
        builder = match self.rows {
            Rows::Redis => builder,
            Rows::Sqlite(path) => builder.sqlite(path),
            Rows::Postgres(url) => builder.postgres(url.expose_secret()),
        };
        match folder {
            Some(folder) => builder.state_dir(folder),
            None => builder,
        }
    }
}

impl Rows {
    fn parse(url: &str, has_redis: bool) -> Result<Self, InputError> {
        let refused = |expected: &str| InputError::new("store.url", expected);
        if url == "redis" {
            return if has_redis {
                Ok(Self::Redis)
            } else {
                Err(refused("redis only together with redis.url"))
            };
        }
        if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(Self::Postgres(solekey::core::secret(url.to_owned())));
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains(['?', '#']) => Ok(Self::Sqlite(path.into())),
            _ => Err(refused("redis, postgres://USER@HOST/DATABASE, or sqlite://PATH")),
        }
    }
}

/// As the library has it.
const DEFAULT_PREFIX: &str = "solekey";
const DEFAULT_FILE: &str = "solekey.db";
const DEFAULT_STATE_DIR: &str = "solekey-state";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_store_is_named_by_url() {
        let parse = |url, has_redis| Rows::parse(url, has_redis).unwrap();
        assert!(matches!(parse("redis", true), Rows::Redis));
        let file = |url| match parse(url, true) {
            Rows::Sqlite(path) => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(file("sqlite://solekey.db"), PathBuf::from("solekey.db"));
        assert_eq!(file("sqlite:///var/lib/x.db"), PathBuf::from("/var/lib/x.db"));
        for url in ["postgres://u:hush@db/solekey?sslmode=verify-full", "postgresql://db"] {
            let rows = parse(url, false);
            assert!(matches!(&rows, Rows::Postgres(kept) if kept.expose_secret() == url));
            assert!(!format!("{rows:?}").contains("hush"));
        }
    }

    #[test]
    fn a_store_url_that_this_build_cannot_use_is_refused_without_repeating_it() {
        for url in [
            "redis",
            "redis://:hush@h",
            "postgres:u:hush@db/solekey",
            "sqlite://",
            "sqlite:x",
            "mysql://h",
            "",
        ] {
            let error = Rows::parse(url, false).expect_err(url);
            assert_eq!(error.field(), "store.url");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
