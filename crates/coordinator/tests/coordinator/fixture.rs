//! A world in memory: one store, one shared cache, one strict provider, any number of replicas.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::Context,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::task::noop_waker;
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use solekey::{Provider, SealKeys, Solekey};
use solekey_core::{
    Account, Dialect, ExposeSecret as _, Policy, PolicySettings, Replay, StoreTime,
    ports::{ExchangeRequest, TokenEndpoint, Wire},
};
use solekey_testkit::memory::{
    MemoryAnswers, MemoryCache, MemoryClock, MemoryLease, MemoryRateLimiter, MemoryStore, TestClock,
};
use tokio::sync::Semaphore;

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) answers: Arc<MemoryAnswers>,
    pub(crate) cache: Arc<MemoryCache>,
    pub(crate) lease: Arc<MemoryLease>,
    pub(crate) rate_limiter: Arc<MemoryRateLimiter>,
    pub(crate) provider: Arc<Strict>,
}

impl World {
    /// Everything goes with tokio's time: call it inside a paused runtime.
    pub(crate) fn new() -> Self {
        let clock = MemoryClock::tokio(StoreTime::from_micros(1_800_000_000_000_000));
        Self {
            store: Arc::new(MemoryStore::with_clock(clock.clone())),
            answers: Arc::new(MemoryAnswers::with_clock(clock.clone())),
            cache: Arc::new(MemoryCache::with_clock(clock.clone())),
            lease: Arc::new(MemoryLease::with_clock(clock.clone())),
            rate_limiter: Arc::new(MemoryRateLimiter::with_clock(clock)),
            provider: Arc::new(Strict::default()),
        }
    }

    pub(crate) async fn replica(&self) -> Solekey {
        self.replica_with(policy()).await
    }

    pub(crate) async fn replica_with(&self, policy: Policy) -> Solekey {
        self.builder(policy).build().await.unwrap()
    }

    pub(crate) fn builder(&self, policy: Policy) -> solekey::Builder {
        self.embedded(policy).cache(self.cache.clone()).lease(self.lease.clone())
    }

    /// A replica that meets the others in the store only.
    pub(crate) fn embedded(&self, policy: Policy) -> solekey::Builder {
        self.bare(policy).answers(self.answers.clone())
    }

    /// A replica whose location of answers is not set yet.
    pub(crate) fn bare(&self, policy: Policy) -> solekey::Builder {
        self.bare_with(policy, Arc::clone(&self.provider) as Arc<dyn TokenEndpoint>)
    }

    /// A replica that understands what the others do not.
    pub(crate) fn taught(&self, policy: Policy) -> solekey::Builder {
        let builder = self.bare_with(policy, Arc::new(Taught(Arc::clone(&self.provider))));
        builder.answers(self.answers.clone()).cache(self.cache.clone()).lease(self.lease.clone())
    }

    fn bare_with(&self, policy: Policy, endpoint: Arc<dyn TokenEndpoint>) -> solekey::Builder {
        Solekey::builder()
            .provider(Provider::new("acme", policy, endpoint).unwrap())
            .store(self.store.clone())
            .without_refresher()
            .clock(Arc::new(TestClock::tokio()))
    }

    /// Logs an account in through a replica of its own.
    pub(crate) async fn log_in(&self, id: &str, lifetime: Duration) -> Account {
        let account = account(id);
        let document = self.provider.grant(id, lifetime);
        let replica = self.replica().await;
        let login = replica.login(&account, document.as_bytes(), false).await.unwrap();
        assert!(matches!(login, solekey::Login::New { .. }), "{login:?}");
        replica.shutdown(Duration::from_secs(1)).await;
        account
    }

    /// A world with an account whose token has ended.
    pub(crate) async fn overdue() -> (Arc<Self>, Account) {
        let world = Arc::new(Self::new());
        let account = world.log_in("a", Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        (world, account)
    }

    /// Redis goes away with everything that lives there.
    pub(crate) fn lose_redis(&self) {
        self.cache.faults().leave();
        self.lease.faults().leave();
        self.rate_limiter.faults().leave();
        self.answers.faults().leave();
    }

    /// Redis is back with what it had.
    pub(crate) fn find_redis(&self) {
        self.cache.faults().come_back();
        self.lease.faults().come_back();
        self.rate_limiter.faults().come_back();
        self.answers.faults().come_back();
    }
}

/// Polls a future that often, a breath apart, and drops it; whether it came to its end.
pub(crate) async fn polled(times: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        if future.as_mut().poll(&mut Context::from_waker(&noop_waker())).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

pub(crate) fn account(id: &str) -> Account {
    Account::new("acme", id).unwrap()
}

pub(crate) fn policy() -> Policy {
    PolicySettings {
        replay: Replay::STRICT_FAMILY,
        exchange_timeout: Duration::from_secs(1),
        quarantine: Some(Duration::from_secs(3)),
        max_wait: Duration::from_secs(30),
        ..PolicySettings::default()
    }
    .build()
    .unwrap()
}

pub(crate) fn seal() -> SealKeys {
    SealKeys::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A provider that revokes the family of a spent refresh token, and answers as the test scripts it.
pub(crate) struct Strict {
    dialect: Dialect,
    state: Mutex<State>,
    /// An exchange takes one permit; a test that wants to hold exchanges takes them away.
    bucket: Semaphore,
}

#[derive(Default)]
struct State {
    next: u64,
    /// The only refresh token of each account that works.
    live: HashMap<String, String>,
    presentations: Vec<String>,
    doubles: usize,
    script: Vec<Script>,
    /// Every answer is [`Script::Foreign`].
    is_foreign: bool,
}

/// The behaviour of an exchange that does not succeed.
#[derive(Clone)]
pub(crate) enum Script {
    /// Nothing is sent.
    NotSent,
    /// No answer comes, and the token was not rotated.
    LoseRequest,
    /// The token is rotated and the answer lost.
    LoseAnswer,
    /// The token is rotated, and the answer lacks the new access token.
    WithoutAccessToken,
    /// An answer without processing the token.
    Answer(u16, &'static str),
    /// "Not before": 429 with a Retry-After of this many seconds.
    Later(u16),
    /// The token is rotated, and something in front of the endpoint answers in its place: with this status, a page and a
    /// Retry-After of a second.
    Hide(u16),
    /// The new access token lives for so many seconds.
    Lasting(u64),
    /// Like the one in it, and the answer is on its way for so many seconds.
    Late(u64, Option<&'static Script>),
    /// The token is rotated, and the answer is in words that only [`Taught`] understands.
    Foreign,
}

impl Default for Strict {
    fn default() -> Self {
        Self { dialect: Dialect::rfc6749(), state: Mutex::default(), bucket: Semaphore::new(OPEN) }
    }
}

impl Strict {
    /// A new grant, as a document to log in with.
    pub(crate) fn grant(&self, id: &str, lifetime: Duration) -> String {
        let mut state = self.state.lock().unwrap();
        let (access, refresh) = state.mint(id);
        document(&access, &refresh, lifetime)
    }

    pub(crate) fn presentations(&self) -> usize {
        self.state.lock().unwrap().presentations.len()
    }

    /// Presentations of spent tokens: with this provider each costs a grant.
    pub(crate) fn doubles(&self) -> usize {
        self.state.lock().unwrap().doubles
    }

    pub(crate) fn script(&self, script: impl IntoIterator<Item = Script>) {
        self.state.lock().unwrap().script = script.into_iter().collect();
    }

    /// From now on every answer is in words that only [`Taught`] understands; or none.
    pub(crate) fn speak_foreign(&self, yes: bool) {
        self.state.lock().unwrap().is_foreign = yes;
    }

    /// Exchanges from now on wait until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.bucket.forget_permits(OPEN);
    }

    pub(crate) fn open(&self) {
        self.bucket.add_permits(OPEN);
    }

    /// The answer, and how long it is on its way.
    fn process(&self, id: &str, refresh: &str) -> (Wire, Duration) {
        let mut state = self.state.lock().unwrap();
        state.presentations.push(refresh.to_owned());
        let script = if state.script.is_empty() { None } else { Some(state.script.remove(0)) };
        match script {
            Some(Script::Late(secs, script)) => {
                (state.present(id, refresh, script.cloned()), Duration::from_secs(secs))
            }
            script => (state.present(id, refresh, script), Duration::ZERO),
        }
    }
}

impl State {
    fn present(&mut self, id: &str, refresh: &str, script: Option<Script>) -> Wire {
        let state = self;
        let foreign = state.is_foreign || matches!(script, Some(Script::Foreign));
        match script {
            Some(Script::NotSent) => {
                state.presentations.pop();
                return Wire::NotSent { why: "refused".into() };
            }
            Some(Script::LoseRequest) => return Wire::Lost { why: "connection reset".into() },
            Some(Script::Answer(status, body)) => return reply(status, body.to_owned()),
            Some(Script::Later(secs)) => return later(StatusCode::TOO_MANY_REQUESTS, secs),
            Some(
                Script::LoseAnswer
                | Script::WithoutAccessToken
                | Script::Hide(_)
                | Script::Lasting(_)
                | Script::Late(..)
                | Script::Foreign,
            )
            | None => {}
        }
        if state.live.get(id).is_none_or(|live| live != refresh) {
            state.doubles += 1;
            state.live.remove(id);
            return reply(400, r#"{"error":"invalid_grant"}"#.to_owned());
        }
        let (access, refresh) = state.mint(id);
        match script {
            Some(Script::WithoutAccessToken) => reply(200, format!(r#"{{"refresh_token":"{refresh}"}}"#)),
            Some(Script::LoseAnswer) => Wire::Lost { why: "connection reset".into() },
            Some(Script::Hide(status)) => later(StatusCode::from_u16(status).unwrap(), 1),
            Some(Script::Lasting(secs)) => reply(200, document(&access, &refresh, Duration::from_secs(secs))),
            _ if foreign => reply(200, format!(r#"{{"pair":{}}}"#, document(&access, &refresh, HOUR))),
            _ => reply(200, document(&access, &refresh, HOUR)),
        }
    }

    fn mint(&mut self, id: &str) -> (String, String) {
        self.next += 1;
        let refresh = format!("refresh-{id}-{}", self.next);
        self.live.insert(id.to_owned(), refresh.clone());
        (format!("access-{id}-{}", self.next), refresh)
    }
}

fn document(access: &str, refresh: &str, lifetime: Duration) -> String {
    let expires_in = lifetime.as_secs();
    format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}","expires_in":{expires_in}}}"#)
}

fn reply(status: u16, body: String) -> Wire {
    let status = StatusCode::from_u16(status).unwrap();
    Wire::Reply { status, headers: HeaderMap::new(), body: Bytes::from(body) }
}

fn later(status: StatusCode, secs: u16) -> Wire {
    let headers = HeaderMap::from_iter([(RETRY_AFTER, secs.into())]);
    Wire::Reply { status, headers, body: Bytes::from_static(b"<html>later</html>") }
}

#[async_trait]
impl TokenEndpoint for Strict {
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        let refresh = request.refresh_token.expose_secret();
        let work = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _permit = self.bucket.acquire().await.unwrap();
            let (wire, way) = self.process(account.id(), refresh);
            tokio::time::sleep(way).await;
            wire
        };
        let late = |_| Wire::Lost { why: "no answer in time".into() };
        tokio::time::timeout(request.read_for.unwrap_or(timeout), work).await.unwrap_or_else(late)
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn client(&self) -> &'static str {
        "https://acme.example/token gateway"
    }
}

/// The same endpoint for a version that understands [`Script::Foreign`].
pub(crate) struct Taught(pub(crate) Arc<Strict>);

#[async_trait]
impl TokenEndpoint for Taught {
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        self.0.exchange(account, request, timeout).await
    }

    fn dialect(&self) -> &Dialect {
        self.0.dialect()
    }

    fn client(&self) -> &str {
        self.0.client()
    }

    fn decoded(&self, _headers: &HeaderMap, body: &Bytes) -> Bytes {
        let inner = body.strip_prefix(b"{\"pair\":").and_then(|rest| rest.strip_suffix(b"}"));
        inner.map_or_else(|| body.clone(), Bytes::copy_from_slice)
    }
}

const OPEN: usize = 100_000;
