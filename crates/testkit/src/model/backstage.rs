//! What a test does to a Redis behind the adapter's back.

use solekey_core::{Account, StoreTime};

use crate::redis::{FixtureError, Line, Make, RedisServer, Resp};

/// A server of a lane's own: it is emptied, and looked into.
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
    pub async fn start(make: Make) -> Result<Self, FixtureError> {
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

    /// The server loses everything it holds.
    pub(super) async fn lose_everything(&self) {
        self.ask(&["FLUSHALL"]).await;
    }

    /// The server loses the scripts it was taught.
    pub(super) async fn lose_scripts(&self) {
        self.ask(&["SCRIPT", "FLUSH"]).await;
    }

    /// The server loses some keys, by eviction or a hand.
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
