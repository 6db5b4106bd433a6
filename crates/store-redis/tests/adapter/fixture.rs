//! The fixture that the tests share.

use std::time::Duration;

use async_trait::async_trait;
use solekey_conformance::store::Foreign;
use solekey_core::Account;
use solekey_redis_link::{FromRedisValue, LinkOptions, RedisLink, cmd};
use solekey_store_redis::{RedisAnswers, RedisStore};
use solekey_testkit::redis::{SharedRedis, redis_for_tests};

/// A store and a place of answers of its own in a Redis that other tests use, too.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) store: RedisStore,
    pub(crate) answers: RedisAnswers,
    pub(crate) link: RedisLink,
    pub(crate) prefix: String,
    _server: SharedRedis,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = redis_for_tests().await.unwrap();
        let link = RedisLink::connect(&server.url, patient()).await.unwrap();
        let prefix = server.prefix.clone();
        Self {
            store: RedisStore::new(link.clone(), &prefix).unwrap(),
            answers: RedisAnswers::new(link.clone(), &prefix).unwrap(),
            link,
            prefix,
            _server: server,
        }
    }

    /// Sends a command whose first argument is a key under the prefix.
    pub(crate) async fn ask<T: FromRedisValue>(&self, verb: &str, key: &str, rest: &[&str]) -> T {
        let mut command = cmd(verb);
        command.arg(format!("{}:{key}", self.prefix)).arg(rest);
        self.link.query(&command).await.unwrap()
    }

    /// All keys under the prefix that end with `end`.
    pub(crate) async fn keys(&self, end: &str) -> Vec<String> {
        let mut keys = cmd("KEYS");
        keys.arg(format!("{}:*{end}", self.prefix));
        self.link.query(&keys).await.unwrap()
    }
}

/// The name of a key of the account, without the prefix.
pub(crate) fn key_of(account: &Account, noun: &str) -> String {
    format!("{{{}}}:{noun}", account.key())
}

/// A newer version at work on the same Redis.
pub(crate) struct Newer {
    pub(crate) link: RedisLink,
    pub(crate) prefix: String,
}

#[async_trait]
impl Foreign for Newer {
    async fn set_format(&self, account: &Account, format: u16) {
        let mut set = cmd("HSET");
        set.arg(format!("{}:{}", self.prefix, key_of(account, "rec"))).arg("format").arg(format);
        self.link.query::<i64>(&set).await.unwrap();
    }
}

/// A loaded machine may be slow; the tests are not about that.
pub(crate) fn patient() -> LinkOptions {
    LinkOptions {
        command_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(60),
        slow: Duration::from_secs(60),
        ..LinkOptions::default()
    }
}
