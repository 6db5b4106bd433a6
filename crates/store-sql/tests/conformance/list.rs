//! The list of stores, over memory, over one open file, and over one file opened three times.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use solekey_conformance::{
    Table,
    store::{self, Foreign, StoreSubject},
};
use solekey_core::{
    Account, Claim, ClaimId, Commit, Login, Sealed, Settle,
    ports::{Loaded, LoggedIn, Page, Store, StoreError, StoreIdentity},
};
use solekey_testkit::memory::MemoryStore;

use crate::fixture::Location;

/// A case that is added or lost shows here.
pub(crate) const CASES: usize = 77;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_store_passes_every_case() {
    let reports = [
        store::run("memory", in_memory).await,
        store::run("sqlite", async || on_file(1).await).await,
        store::run("sqlite, opened 3 times", async || on_file(3).await).await,
    ];
    let table = Table::of(reports);
    println!("{table}");
    assert_eq!(store::CASES.len(), CASES);
    assert_eq!(table.cells(), 3 * CASES);
}

async fn in_memory() -> StoreSubject {
    let store = Arc::new(MemoryStore::new());
    StoreSubject::new(store.clone(), store)
}

async fn on_file(times: usize) -> StoreSubject {
    let place = Arc::new(Location::new());
    let mut stores = Vec::new();
    for _ in 0..times {
        stores.push(place.open().await);
    }
    StoreSubject::new(Arc::new(InTurn::over(stores)), Arc::new(NewerFile(place)))
}

/// A newer version at work on the same file.
pub(crate) struct NewerFile(pub(crate) Arc<Location>);

#[async_trait]
impl Foreign for NewerFile {
    async fn set_format(&self, account: &Account, format: u16) {
        let mut connection = self.0.connect().await;
        let change = sqlx::query("UPDATE account SET format = ? WHERE provider = ? AND id = ?");
        let change = change.bind(format).bind(account.provider()).bind(account.id());
        assert_eq!(change.execute(&mut connection).await.unwrap().rows_affected(), 1);
    }
}

/// Processes that share rows, as one store: each call goes to the next.
pub(crate) struct InTurn<S> {
    stores: Vec<S>,
    calls: AtomicUsize,
}

impl<S> InTurn<S> {
    pub(crate) fn over(stores: Vec<S>) -> Self {
        Self { stores, calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &S {
        &self.stores[self.calls.fetch_add(1, Ordering::Relaxed) % self.stores.len()]
    }
}

#[async_trait]
impl<S: Store> Store for InTurn<S> {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.next().identity().await
    }

    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.next().pin(name, value).await
    }

    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.next().repin(name, seen, value).await
    }

    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.next().reseal(account, made_by, payload).await
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        self.next().load(account).await
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.next().claim(account, claim).await
    }

    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.next().commit(account, commit, payload).await
    }

    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
        self.next().settle(account, settle).await
    }

    async fn login(
        &self,
        account: &Account,
        login: &Login,
        payload: &Sealed,
    ) -> Result<LoggedIn, StoreError> {
        self.next().login(account, login, payload).await
    }

    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
        self.next().delete(account, id).await
    }

    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.next().list(provider, cursor, limit).await
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.next().due(provider, hold, limit).await
    }
}
