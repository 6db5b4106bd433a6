//! A steady load that behaves like a load balancer with gateways behind it.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use serde::Deserialize;
use solekey_testkit::provider::AuthorizationServer;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::balancer::{Backend, Balancer};
use super::figures::{Ending, Figures};
use super::provider::PROVIDER;
use super::screen::Screen;

/// Asks the replicas for tokens of random accounts and checks with the provider what they hand out.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) client: reqwest::Client,
    pub(super) provider: Arc<AuthorizationServer>,
    pub(super) balancer: Arc<Balancer>,
    pub(super) accounts: Arc<[String]>,
    pub(super) figures: Arc<Figures>,
    /// The screen that shows failures as they happen; none where they are expected.
    pub(super) screen: Option<Screen>,
}

/// Requests per second, all replicas together.
const RATE: u32 = 300;

/// A request that is not answered by then has failed: well beyond the 20 s that a replica lets its callers wait.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests under way at once. A killed owner's account has some 7 s of its share of the load waiting; this is ten
/// times as many at the least. When it is reached the load slows down instead of growing.
const MOST_UNDER_WAY: usize = 2000;

/// Requests are sent in small batches, as timers are no finer than a millisecond.
const BATCH: u32 = 2;

impl Load {
    /// Keeps the load up until `end`, then waits for every request to end.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the requests under way.
    pub(super) async fn run(&self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let mut batches = interval(Duration::from_secs(1) * BATCH / RATE);
        batches.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut end => break,
                Some(_) = under_way.join_next() => {}
                _ = batches.tick(), if under_way.len() < MOST_UNDER_WAY => {
                    for _ in 0..BATCH {
                        let load = self.clone();
                        under_way.spawn(async move { load.one().await });
                    }
                }
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// One request, from a client's point of view.
    async fn one(&self) {
        let account = &self.accounts[fastrand::usize(..self.accounts.len())];
        let began = Instant::now();
        let (retried, result) = self.balanced(account).await;
        let took = began.elapsed();
        let failure = result.err();
        let shown = failure.as_ref().map(|failure| format!("failed after {took:.1?}: {account}: {failure}"));
        let kind = failure.map(|failure| failure.kind);
        if self.figures.record(Ending { took, retried, failure: kind })
            && let (Some(shown), Some(screen)) = (shown, &self.screen)
        {
            screen.note(&shown);
        }
    }

    /// Goes to another replica when the kill cuts a connection, and only then.
    async fn balanced(&self, account: &str) -> (bool, Result<(), Failure>) {
        let mut retried = false;
        while let Some(backend) = self.balancer.next() {
            match self.ask(backend, account).await {
                Err(Trouble::Cut(_)) if backend.is_killed() => {
                    backend.take_out();
                    retried = true;
                }
                Err(Trouble::Cut(error)) => {
                    return (retried, Err(Failure::of(backend, "connection", &error)));
                }
                Err(Trouble::Answer { kind, detail }) => {
                    return (retried, Err(Failure::of(backend, &kind, &detail)));
                }
                Ok(()) => return (retried, Ok(())),
            }
        }
        (retried, Err(Failure { kind: "no replica left".into(), detail: String::new() }))
    }

    async fn ask(&self, backend: &Backend, account: &str) -> Result<(), Trouble> {
        let url = format!("http://{}/v1/accounts/{PROVIDER}/{account}/token", backend.address());
        let asked = since_epoch();
        let answer = self.client.get(url).send().await.map_err(Trouble::from)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(Trouble::from)?;
        self.check(status, &body, asked)
    }

    /// Only a token that the provider accepts is a success: at this moment, or until it ended on its way here.
    fn check(&self, status: StatusCode, body: &[u8], asked: f64) -> Result<(), Trouble> {
        if status != StatusCode::OK {
            let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
            let kind = format!("{} {}", status.as_u16(), refusal.code);
            return Err(Trouble::Answer { kind, detail: refusal.message });
        }
        let token: Token = serde_json::from_slice(body).map_err(|error| Trouble::Answer {
            kind: "200 without a token".into(),
            detail: error.to_string(),
        })?;
        if !self.provider.is_valid(&token.access_token) && !token.ended_since(asked) {
            let detail = token.to_string();
            return Err(Trouble::Answer {
                kind: "200 with a token that the provider does not accept".into(),
                detail,
            });
        }
        Ok(())
    }
}

/// The reason why a try did not deliver a token.
enum Trouble {
    /// The connection was refused, reset, or ended early.
    Cut(String),
    /// An answer, or none in time.
    Answer { kind: String, detail: String },
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Answer { kind: "timeout".into(), detail: String::new() };
        }
        Self::Cut(chain(&error))
    }
}

/// The reason why a request failed.
#[derive(Debug)]
struct Failure {
    kind: String,
    detail: String,
}

impl Failure {
    fn of(backend: &Backend, kind: &str, message: &str) -> Self {
        Self { kind: kind.to_owned(), detail: format!(" at {}: {message}", backend.name()) }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.kind, self.detail)
    }
}

/// The response of a replica with a token; shown if it is wrong, except for the token itself.
#[derive(Deserialize)]
struct Token {
    access_token: String,
    #[serde(default)]
    generation: u64,
    #[serde(default)]
    expires_at: Option<f64>,
    #[serde(default)]
    stale: bool,
}

impl Token {
    /// Returns whether the token was valid when it was requested, to the second, and is not any more.
    fn ended_since(&self, asked: f64) -> bool {
        self.expires_at.is_some_and(|end| end >= asked.floor() && end <= since_epoch())
    }
}

fn since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { access_token: _, generation, expires_at, stale } = self;
        let now = since_epoch();
        let left = expires_at.map_or_else(|| "unknown".to_owned(), |at| format!("{:.3} s", at - now));
        write!(f, "generation {generation}, stale: {stale}, time left: {left}, at {now:.3}")
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    code: String,
    message: String,
}

/// An error with its causes: reqwest's own message does not contain the cause.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
