//! Rows in a PostgreSQL database.

mod address;
mod change;
mod change_feed;
mod condition;
mod error;
mod listing;
mod open;
mod ready;
mod session;
mod timeline;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, Claim, ClaimId, Commit, Login, Sealed, Settle,
    ports::{Loaded, LoggedIn, Page, Store, StoreError, StoreIdentity},
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio_util::task::TaskTracker;

pub use change_feed::PostgresChangeFeed;
pub use condition::{PostgresCondition, PostgresProtection, PostgresReadOnly};
pub use error::PostgresError;

use crate::{
    change::{Change, row},
    cursor::Cursor,
};
use ready::Readiness;
use timeline::Timelines;

/// One durable row per account in a PostgreSQL database, shared by all replicas.
///
/// A change is two round trips: a read, and one statement that writes if the row's revision is still the one read. No
/// transaction is ever open between two of them, so a process that is stopped halfway holds nothing up. The statement
/// asks for `synchronous_commit = on` (a stronger setting stays), so what was acknowledged survives a crash of the
/// server, and the loss of its host where synchronous standbys are set up. The store's time is the server's. A server
/// that turns out to be a standby is not believed, and its connection is given up. One that was promoted takes claims after
/// 3 s: owners repeat theirs first, which it may not have.
///
/// Tables are in a schema of their own, `solekey`; the role needs to own it, or to be allowed to create it. Behind a
/// pooler in transaction mode that keeps no prepared statements, add `?statement-cache-capacity=0` to the URL.
///
/// A server that is away is waited for: [`open`](Self::open) starts without it, and until it is there everything fails
/// as not applied. The wait for a connection is given up after 3 s, every statement after 5 s.
///
/// Clones are the same store.
///
/// # Cancel safety
/// Every change runs in a task of its own. Dropping its future leaves nothing half done: the change is carried out, or
/// refused, without anybody hearing of it. [`close`](Self::close) waits for those tasks.
#[derive(Clone)]
pub struct PostgresStore {
    db: Arc<Db>,
    tasks: TaskTracker,
}

/// A database, there or not.
struct Db {
    pool: PgPool,
    options: PgConnectOptions,
    readiness: Readiness,
    timelines: Timelines,
}

impl PostgresStore {
    /// Waits for the changes under way and closes the connections. Later calls fail as not applied.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the rest of the closing to the drop of the store.
    pub async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.db.pool.close().await;
    }

    /// Runs `work` to its end, whether or not anybody waits for it.
    async fn carry_out<T, F>(&self, work: impl FnOnce(Arc<Db>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let task = self.tasks.spawn(work(Arc::clone(&self.db)));
        task.await.map_err(StoreError::unknown)?
    }

    async fn change<T, E>(&self, change: Change<T, E>) -> Result<(E, Loaded), StoreError>
    where
        T: Send + Sync + 'static,
        E: Send + 'static,
    {
        self.carry_out(|db| async move { db.change(&change).await }).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.carry_out(|db| async move { db.identity().await }).await
    }

    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, value) = (format!("pin:{name}"), value.to_vec());
        self.carry_out(|db| async move { db.pin(&name, &value).await }).await
    }

    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, seen, value) = (format!("pin:{name}"), seen.to_vec(), value.to_vec());
        self.carry_out(|db| async move { db.repin(&name, &seen, &value).await }).await
    }

    async fn pinned(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let name = format!("pin:{name}");
        self.carry_out(|db| async move { db.pinned(&name).await }).await
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        let account = account.clone();
        self.carry_out(|db| async move { db.load(&account).await }).await
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.change(Change::claim(account, claim)).await.map(row)
    }

    async fn repeat_claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        let change = Change::repeat_claim(account, claim);
        let repeated = self.carry_out(|db| async move {
            let mut session = db.separate_session().await?;
            db.change_over(&mut session, &change).await
        });
        repeated.await.map(row)
    }

    fn restarts(&self) -> u64 {
        self.db.timelines.failovers()
    }

    async fn restarted(&self, since: u64) {
        let read = || async {
            if self.db.timelines.are_shown() {
                drop(self.carry_out(|db| async move { db.read_timeline().await }).await);
            }
        };
        self.db.timelines.more_than(since, read).await;
    }

    fn claims_wait(&self) -> Duration {
        self.db.timelines.settle_in()
    }

    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.change(Change::commit(account, commit, payload)).await.map(row)
    }

    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
        self.change(Change::settle(account, settle)).await.map(row)
    }

    async fn login(
        &self,
        account: &Account,
        login: &Login,
        payload: &Sealed,
    ) -> Result<LoggedIn, StoreError> {
        let (effect, loaded) = self.change(Change::login(account, login, payload)).await?;
        Ok(LoggedIn { effect, loaded })
    }

    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
        self.change(Change::delete(account, id)).await.map(row)
    }

    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.change(Change::reseal(account, made_by, payload)).await.map(row)
    }

    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let cursor = cursor.map(Cursor::decode).transpose().map_err(StoreError::not_applied)?;
        let provider = provider.map(str::to_owned);
        self.carry_out(|db| async move { db.list(provider, cursor, limit).await }).await
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        let provider = provider.to_owned();
        self.carry_out(|db| async move { db.due(provider, hold, limit).await }).await
    }
}
