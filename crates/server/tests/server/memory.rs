//! Replicas over ports in memory and a strict provider, in virtual time, with mirrors of their accounts.

use std::{
    collections::HashMap,
    ops::Deref,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use solekey::{
    Builder, Login, Provider, SealKeys, Shutdown, Solekey,
    core::{
        Account, Dialect, ExposeSecret as _, Policy, PolicySettings, Replay, StoreTime,
        ports::{ExchangeRequest, TokenEndpoint, Wire},
    },
};
use solekey_server::{MirrorFile, MirrorFiles, Mirrors};
use solekey_testkit::memory::{MemoryAnswers, MemoryCache, MemoryClock, MemoryLease, MemoryStore, TestClock};
use tokio::sync::Semaphore;

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    answers: Arc<MemoryAnswers>,
    cache: Arc<MemoryCache>,
    lease: Arc<MemoryLease>,
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
            lease: Arc::new(MemoryLease::with_clock(clock)),
            provider: Arc::new(Strict::default()),
        }
    }

    pub(crate) async fn replica(&self) -> Solekey {
        self.builder(policy()).build().await.unwrap()
    }

    pub(crate) fn builder(&self, policy: Policy) -> Builder {
        self.embedded(policy).cache(self.cache.clone()).lease(self.lease.clone())
    }

    /// A replica that meets the others in the store only.
    pub(crate) fn embedded(&self, policy: Policy) -> Builder {
        let endpoint = Arc::clone(&self.provider) as Arc<dyn TokenEndpoint>;
        Solekey::builder()
            .provider(Provider::new("acme", policy, endpoint).unwrap())
            .store(self.store.clone())
            .answers(self.answers.clone())
            .without_refresher()
            .clock(Arc::new(TestClock::tokio()))
    }

    /// Logs an account in through a replica of its own.
    pub(crate) async fn log_in(&self, id: &str, lifetime: Duration) -> Account {
        let account = account(id);
        let document = self.provider.grant(id, lifetime);
        let replica = self.replica().await;
        let login = replica.login(&account, document.as_bytes(), false).await.unwrap();
        assert!(matches!(login, Login::New { .. }), "{login:?}");
        replica.shutdown(Duration::from_secs(1)).await;
        account
    }

    /// A world with an account whose token has ended.
    pub(crate) async fn overdue() -> (Self, Account) {
        let world = Self::new();
        let account = world.log_in("a", Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        (world, account)
    }
}

/// A replica, and the mirrors of its accounts.
pub(crate) struct Mirroring {
    solekey: Solekey,
    mirrors: Mirrors,
}

impl Mirroring {
    pub(crate) async fn of<P: AsRef<Path>>(
        builder: Builder,
        files: impl IntoIterator<Item = (&Account, P)>,
    ) -> Self {
        let file = |(account, path): (&Account, P)| MirrorFile::new(account.clone(), path.as_ref());
        Self::of_files(builder, files.into_iter().map(file)).await
    }

    pub(crate) async fn of_files(builder: Builder, files: impl IntoIterator<Item = MirrorFile>) -> Self {
        let solekey = builder.build().await.unwrap();
        let mirrors = Mirrors::start(&solekey, MirrorFiles::new(files).unwrap());
        Self { solekey, mirrors }
    }

    /// Ends both as a sidecar ends them.
    pub(crate) async fn shutdown(self, deadline: Duration) -> Shutdown {
        self.solekey.start_draining();
        self.mirrors.stop().await;
        self.solekey.shutdown(deadline).await
    }
}

impl Deref for Mirroring {
    type Target = Solekey;

    fn deref(&self) -> &Solekey {
        &self.solekey
    }
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

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// A provider that revokes the family of a spent refresh token.
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
    doubles: usize,
}

impl Default for Strict {
    fn default() -> Self {
        Self { dialect: Dialect::rfc6749(), state: Mutex::default(), bucket: Semaphore::new(OPEN) }
    }
}

impl Strict {
    /// A new grant, as a document to log in with.
    pub(crate) fn grant(&self, id: &str, lifetime: Duration) -> String {
        self.state.lock().unwrap().mint(id, lifetime)
    }

    /// Presentations of spent tokens: with this provider each costs a grant.
    pub(crate) fn doubles(&self) -> usize {
        self.state.lock().unwrap().doubles
    }

    /// Exchanges from now on wait until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.bucket.forget_permits(OPEN);
    }

    pub(crate) fn open(&self) {
        self.bucket.add_permits(OPEN);
    }

    fn process(&self, id: &str, refresh: &str) -> Wire {
        let mut state = self.state.lock().unwrap();
        if state.live.get(id).is_none_or(|live| live != refresh) {
            state.doubles += 1;
            state.live.remove(id);
            return reply(StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned());
        }
        reply(StatusCode::OK, state.mint(id, HOUR))
    }
}

impl State {
    /// The next pair of an account, as a token endpoint answers it.
    fn mint(&mut self, id: &str, lifetime: Duration) -> String {
        self.next += 1;
        let (next, expires_in) = (self.next, lifetime.as_secs());
        let refresh = format!("refresh-{id}-{next}");
        self.live.insert(id.to_owned(), refresh.clone());
        format!(
            r#"{{"access_token":"access-{id}-{next}","refresh_token":"{refresh}","expires_in":{expires_in}}}"#
        )
    }
}

fn reply(status: StatusCode, body: String) -> Wire {
    Wire::Reply { status, headers: HeaderMap::new(), body: Bytes::from(body) }
}

#[async_trait]
impl TokenEndpoint for Strict {
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        let refresh = request.refresh_token.expose_secret();
        let work = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _permit = self.bucket.acquire().await.unwrap();
            self.process(account.id(), refresh)
        };
        let late = |_| Wire::Lost { why: "no answer in time".into() };
        tokio::time::timeout(timeout, work).await.unwrap_or_else(late)
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn client(&self) -> &'static str {
        "https://acme.example/token gateway"
    }
}

const OPEN: usize = 100_000;
