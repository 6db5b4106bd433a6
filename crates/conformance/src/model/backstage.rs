//! Direct access of a test to the Redis that an adapter uses.

use solekey_core::{Account, StoreTime};
use solekey_testkit::redis::{Line, RedisServer, Resp};

use super::{Make, MakeError};

/// The server of one lane, which the lane empties and reads directly.
#[derive(Debug)]
pub struct Backstage {
    server: RedisServer,
    line: Line,
}

impl Backstage {
    /// A running server of this make.
    ///
    /// # Errors
    /// As [`Make::start`].
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start(make: Make) -> Result<Self, MakeError> {
        let server = make.start().await?;
        let line = Line::to(&server).await?;
        Ok(Self { server, line })
    }

    /// The URL for the adapter.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The prefix for the adapter.
    pub fn prefix(&self) -> &'static str {
        "solekey"
    }

    /// The server's time.
    pub(super) async fn now(&self) -> StoreTime {
        let Resp::Array(Some(parts)) = self.ask(&["TIME"]).await else { return StoreTime::default() };
        let number = |at: usize| text(parts.get(at)?)?.parse::<u64>().ok();
        let (secs, micros) = (number(0).unwrap_or_default(), number(1).unwrap_or_default());
        StoreTime::from_micros(secs * 1_000_000 + micros)
    }

    /// Steps the server's clock back, or forward by a negative number, as far as the adapter can see: every instant it
    /// has written lies ahead by so much.
    pub(super) async fn step_back(&self, micros: i64) {
        let script = include_str!("step_back.lua");
        self.ask(&["EVAL", script, "0", self.prefix(), &micros.to_string()]).await;
    }

    /// Deletes all data of the server.
    pub(super) async fn lose_everything(&self) {
        self.ask(&["FLUSHALL"]).await;
    }

    /// Deletes the scripts that were loaded into the server.
    pub(super) async fn lose_scripts(&self) {
        self.ask(&["SCRIPT", "FLUSH"]).await;
    }

    /// Deletes some keys, as an eviction or an administrator would.
    pub(super) async fn lose(&self, keys: &[String]) {
        let keys = keys.iter().map(String::as_str);
        let words: Vec<&str> = std::iter::once("DEL").chain(keys).collect();
        self.ask(&words).await;
    }

    /// The name of one of the account's keys.
    pub(super) fn key(&self, account: &Account, noun: &str) -> String {
        format!("{}:{{{}}}:{noun}", self.prefix(), account.key())
    }

    /// The reply as a text, where it is one.
    pub(super) async fn text(&self, words: &[&str]) -> Option<String> {
        text(&self.ask(words).await)
    }

    /// The reply as a list of texts.
    pub(super) async fn texts(&self, words: &[&str]) -> Vec<String> {
        let Resp::Array(Some(items)) = self.ask(words).await else { return Vec::new() };
        items.iter().filter_map(text).collect()
    }

    /// The reply as a number, where it is one.
    pub(super) async fn number(&self, words: &[&str]) -> Option<i64> {
        match self.ask(words).await {
            Resp::Integer(number) => Some(number),
            other => text(&other)?.parse().ok(),
        }
    }

    async fn ask(&self, words: &[&str]) -> Resp {
        self.line.command(words).await.unwrap_or_else(|error| panic!("the server is gone: {error}"))
    }
}

fn text(reply: &Resp) -> Option<String> {
    match reply {
        Resp::Bulk(Some(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}
