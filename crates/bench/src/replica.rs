//! Replicas to measure, and the provider behind them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use solekey::{Builder, Provider, Solekey};
use solekey_core::{
    Account, Dialect, PolicySettings, Replay,
    ports::{ExchangeRequest, TokenEndpoint, Wire},
};
use solekey_testkit::memory::{MemoryAnswers, MemoryStore};
use tokio::sync::Semaphore;

/// The provider of all accounts here.
pub(crate) const PROVIDER: &str = "bench";

/// The account with this number.
pub(crate) fn account(number: usize) -> Account {
    Account::new(PROVIDER, &format!("account-{number}")).expect("a name")
}

/// An access token of 1 KiB, such as JWTs are.
pub(crate) fn token(number: usize) -> String {
    format!("{number:01024}")
}

/// The document of a login: a token that lives for `lifetime`.
pub(crate) fn document(number: usize, lifetime: Duration) -> Vec<u8> {
    let (access, expires_in) = (token(number), lifetime.as_secs());
    format!(r#"{{"access_token":"{access}","refresh_token":"refresh-{number}","expires_in":{expires_in}}}"#)
        .into_bytes()
}

/// A builder whose provider is this endpoint.
pub(crate) fn builder(endpoint: &Arc<Endpoint>) -> Result<Builder> {
    let policy = PolicySettings {
        replay: Replay::STRICT_FAMILY,
        max_wait: Duration::from_secs(30),
        ..PolicySettings::default()
    };
    let endpoint = Arc::clone(endpoint) as Arc<dyn TokenEndpoint>;
    Ok(Solekey::builder().provider(Provider::new(PROVIDER, policy.build()?, endpoint)?))
}

/// A builder over rows in memory: for what is measured in front of the store.
pub(crate) fn over_memory(endpoint: &Arc<Endpoint>) -> Result<Builder> {
    Ok(builder(endpoint)?.store(Arc::new(MemoryStore::new())).answers(Arc::new(MemoryAnswers::new())))
}

/// A token endpoint in this process: counts presentations, can be held, and remembers when it answered last.
#[derive(Debug)]
pub(crate) struct Endpoint {
    dialect: Dialect,
    presentations: AtomicU64,
    bucket: Semaphore,
    answered: Mutex<Option<Instant>>,
}

impl Endpoint {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            dialect: Dialect::rfc6749(),
            presentations: AtomicU64::new(0),
            bucket: Semaphore::new(0),
            answered: Mutex::default(),
        })
    }

    /// Lets one exchange that waits here, or will, be answered.
    pub(crate) fn let_one_through(&self) {
        self.bucket.add_permits(1);
    }

    /// The number of refresh tokens presented.
    pub(crate) fn presentations(&self) -> u64 {
        self.presentations.load(Relaxed)
    }

    /// The moment of the last answer.
    pub(crate) fn answered(&self) -> Option<Instant> {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TokenEndpoint for Endpoint {
    async fn exchange(&self, _: &Account, _: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        let number = self.presentations.fetch_add(1, Relaxed) + 1;
        let lost = |_| Wire::Lost { why: "held for too long".into() };
        let permit = match tokio::time::timeout(timeout, self.bucket.acquire()).await.map_err(lost) {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Wire::NotSent { why: "closed".into() },
            Err(wire) => return wire,
        };
        permit.forget();
        let body = document(1_000_000 + number as usize, Duration::from_hours(1)).into();
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Wire::Reply { status: StatusCode::OK, headers: HeaderMap::new(), body }
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn client(&self) -> &'static str {
        "bench"
    }
}
