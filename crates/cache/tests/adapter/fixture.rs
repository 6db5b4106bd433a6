//! The fixture that the tests share.

use std::time::Duration;

use solekey_cache::{RedisCache, RedisRateLimiter};
use solekey_core::{
    Account, Decision, Delay, Generation, Moment, Revocation, Sealed, Verdict,
    ports::{CachedToken, Publication},
};
use solekey_redis_link::{FromRedisValue, LinkOptions, RedisLink, cmd};
use solekey_testkit::redis::{SharedRedis, redis_for_tests};

/// A shared cache of its own in a Redis that other tests use, too.
pub(crate) struct Fixture {
    pub(crate) cache: RedisCache,
    pub(crate) link: RedisLink,
    pub(crate) account: Account,
    pub(crate) prefix: String,
    _server: SharedRedis,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = redis_for_tests().await.unwrap();
        let link = RedisLink::connect(&server.url, patient()).await.unwrap();
        let prefix = server.prefix.clone();
        let cache = RedisCache::new(link.clone(), &prefix).unwrap();
        Self { cache, link, account: account("alice"), prefix, _server: server }
    }

    /// Sends a command about one of the account's keys.
    pub(crate) async fn ask<T: FromRedisValue>(&self, verb: &str, noun: &str, rest: &[&str]) -> T {
        let mut command = cmd(verb);
        command.arg(self.key(noun)).arg(rest);
        self.link.query(&command).await.unwrap()
    }

    pub(crate) fn rate_limiter(&self) -> RedisRateLimiter {
        RedisRateLimiter::new(self.link.clone(), &self.prefix).unwrap()
    }

    pub(crate) fn channel(&self) -> String {
        format!("{}:news", self.prefix)
    }

    /// Every key under the prefix.
    pub(crate) async fn keys(&self) -> Vec<String> {
        self.link.query(cmd("KEYS").arg(format!("{}:*", self.prefix))).await.unwrap()
    }

    fn key(&self, noun: &str) -> String {
        format!("{}:{{{}}}:{noun}", self.prefix, self.account.key())
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

pub(crate) fn account(id: &str) -> Account {
    Account::new("acme", id).unwrap()
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation::new(number)
}

pub(crate) fn moment(secs: u64) -> Moment {
    Moment::from_micros(secs * 1_000_000)
}

pub(crate) const VALID: Duration = Duration::from_secs(3_600);
pub(crate) const GOOD: Duration = Duration::from_secs(3_540);

/// A token of this generation, named after it.
pub(crate) fn token(number: u64) -> CachedToken {
    let payload = Sealed::new(format!("sealed\ntoken {number}"));
    CachedToken { generation: generation(number), payload, valid: VALID, good: GOOD }
}

pub(crate) fn fresh(number: u64) -> Publication {
    Publication {
        generation: generation(number),
        token: Some(token(number)),
        verdict: None,
        gone: false,
        replaces: false,
        as_of: None,
        proof: Sealed::default(),
    }
}

pub(crate) fn not_before(number: u64, at: Duration) -> Verdict<Duration> {
    let decision = Decision::NotBefore { at, why: Delay::RateLimited };
    Verdict { generation: generation(number), decision, strikes: 2 }
}

pub(crate) fn log_in(number: u64) -> Verdict<Duration> {
    Verdict {
        generation: generation(number),
        decision: Decision::LogIn { why: Revocation::Reused },
        strikes: 0,
    }
}
