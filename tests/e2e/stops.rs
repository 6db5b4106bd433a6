//! Ports that stop a replica at a named point, so that it can be killed there.

use std::{
    future::pending,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use solekey::core::{
    Account, Claim, ClaimId, Commit, Dialect, Login, Sealed, Settle,
    ports::{ExchangeRequest, Loaded, LoggedIn, Page, Store, StoreError, StoreIdentity, TokenEndpoint, Wire},
};
use solekey_providers::HttpEndpoint;

/// A point at which a replica stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Stop {
    /// The claim is acknowledged, nothing has been sent.
    BeforeSending,
    /// The answer's body has been read, nothing of it is written down.
    AfterBody,
    /// The answer is written, and the row never hears of it.
    BeforeCommit,
}

impl Stop {
    /// Reports this point to the parent process, and never returns.
    async fn reached<T>(self) -> T {
        report(&format!("{self:?}"));
        pending().await
    }
}

/// Writes a line that the parent process waits for, past the capturing of the test harness.
pub(crate) fn report(line: &str) {
    let mut out = std::io::stdout().lock();
    // The harness may have left the line unfinished. A parent that is gone needs no lines.
    let _ = writeln!(out, "\n{MARK}{line}").and_then(|()| out.flush());
}

/// The prefix of each line that is meant for the parent.
pub(crate) const MARK: &str = "replica: ";

/// A token endpoint before or behind which a replica stops.
pub(crate) struct StoppingEndpoint {
    pub(crate) inner: HttpEndpoint,
    pub(crate) stop: Stop,
}

#[async_trait]
impl TokenEndpoint for StoppingEndpoint {
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        if self.stop == Stop::BeforeSending {
            return self.stop.reached().await;
        }
        let wire = self.inner.exchange(account, request, timeout).await;
        if self.stop == Stop::AfterBody {
            return self.stop.reached().await;
        }
        wire
    }

    fn dialect(&self) -> &Dialect {
        self.inner.dialect()
    }

    fn client(&self) -> &str {
        self.inner.client()
    }
}

/// A store that never hears of what a replica commits, or hears of everything late.
pub(crate) struct HinderedStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) stop: Option<Stop>,
    /// The delay before a change is made.
    pub(crate) lag: Duration,
    /// Rows handed out.
    pub(crate) loads: Arc<AtomicU64>,
}

#[async_trait]
impl Store for HinderedStore {
    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        if self.stop == Some(Stop::BeforeCommit) {
            return pending().await;
        }
        tokio::time::sleep(self.lag).await;
        self.inner.commit(account, commit, payload).await
    }

    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.inner.identity().await
    }

    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.inner.pin(name, value).await
    }

    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.inner.repin(name, seen, value).await
    }

    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.inner.reseal(account, made_by, payload).await
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        let loaded = self.inner.load(account).await;
        self.loads.fetch_add(1, Relaxed);
        loaded
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.inner.claim(account, claim).await
    }

    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
        self.inner.settle(account, settle).await
    }

    async fn login(
        &self,
        account: &Account,
        login: &Login,
        payload: &Sealed,
    ) -> Result<LoggedIn, StoreError> {
        tokio::time::sleep(self.lag).await;
        self.inner.login(account, login, payload).await
    }

    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
        self.inner.delete(account, id).await
    }

    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.inner.list(provider, cursor, limit).await
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.inner.due(provider, hold, limit).await
    }
}
