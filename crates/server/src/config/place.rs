//! Where rows and answers are kept.

use std::path::PathBuf;

use solekey::{
    Builder,
    core::{ExposeSecret as _, InputError, Secret},
};

use super::settings::{Password, RedisSettings, StoreSettings};

/// Where rows and answers are kept, and through what replicas coordinate.
#[derive(Debug)]
pub(super) struct Place {
    redis: Option<Redis>,
    rows: Rows,
    state_dir: Option<PathBuf>,
}

#[derive(Debug)]
struct Redis {
    url: Secret,
    prefix: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Rows {
    Redis,
    Sqlite(PathBuf),
}

impl Place {
    pub(super) fn new(
        redis: Option<RedisSettings>,
        store: StoreSettings,
        state_dir: Option<PathBuf>,
    ) -> Result<Self, InputError> {
        let StoreSettings { url, state_dir: beside_store, accept_loss: _ } = store;
        let rows = match &url {
            Some(Password(url)) => Rows::parse(url.expose_secret(), redis.is_some())?,
            None if redis.is_some() => Rows::Redis,
            None => Rows::Sqlite(DEFAULT_FILE.into()),
        };
        if state_dir.is_some() && beside_store.is_some() {
            return Err(InputError::new("store.state_dir", "to be given once, here or as state_dir"));
        }
        let redis = redis.map(|RedisSettings { url: Password(url), prefix }| Redis { url, prefix });
        Ok(Self { redis, rows, state_dir: state_dir.or(beside_store) })
    }

    /// Whether rows are kept in Redis and nowhere else.
    pub(super) fn is_redis_alone(&self) -> bool {
        self.rows == Rows::Redis
    }

    /// Whether replicas of other hosts can share it.
    pub(super) fn name(&self) -> &'static str {
        match (&self.rows, &self.redis) {
            (Rows::Redis, _) => "redis",
            (Rows::Sqlite(_), Some(_)) => "redis and sqlite",
            (Rows::Sqlite(_), None) => "embedded",
        }
    }

    pub(super) fn furnish(self, mut builder: Builder) -> Builder {
        let Self { redis, rows, state_dir } = self;
        if let Some(Redis { url, prefix }) = redis {
            builder = builder.redis(url.expose_secret());
            if let Some(prefix) = prefix {
                builder = builder.redis_prefix(prefix);
            }
        }
        let state_dir = match rows {
            Rows::Redis => Some(state_dir.unwrap_or_else(|| DEFAULT_STATE_DIR.into())),
            Rows::Sqlite(path) => {
                builder = builder.sqlite(path);
                state_dir
            }
        };
        match state_dir {
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
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Err(refused("redis or sqlite://PATH; PostgreSQL is not part of this build"));
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains(['?', '#']) => Ok(Self::Sqlite(path.into())),
            _ => Err(refused("redis, or sqlite://PATH")),
        }
    }
}

const DEFAULT_FILE: &str = "solekey.db";
const DEFAULT_STATE_DIR: &str = "solekey-state";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_url() {
        assert_eq!(Rows::parse("redis", true), Ok(Rows::Redis));
        assert_eq!(Rows::parse("sqlite://solekey.db", false), Ok(Rows::Sqlite("solekey.db".into())));
        assert_eq!(Rows::parse("sqlite:///var/lib/x.db", true), Ok(Rows::Sqlite("/var/lib/x.db".into())));
    }

    #[test]
    fn what_this_build_cannot_keep_rows_in_is_refused_without_repeating_it() {
        for url in [
            "redis",
            "redis://:hush@h",
            "postgres://u:hush@db/solekey",
            "sqlite://",
            "sqlite:x",
            "mysql://h",
            "",
        ] {
            let error = Rows::parse(url, false).expect_err(url);
            assert_eq!(error.field(), "store.url");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
        let error = Rows::parse("postgresql://db/solekey", false).expect_err("refused");
        assert!(error.expected().contains("PostgreSQL is not part of this build"), "{error}");
    }
}
