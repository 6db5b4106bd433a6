//! Rows in one SQLite file.

mod archive;
mod change_feed;
mod clock;
mod db;
mod listing;
mod open;
mod presented;
mod queue;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, Claim, ClaimId, Commit, Login, Sealed, Settle,
    ports::{Loaded, LoggedIn, Page, Store, StoreError, StoreIdentity},
};
use sqlx::Row as _;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use change_feed::SqliteChangeFeed;
pub use open::OpenError;

use crate::{
    change::{Change, row},
    cursor::Cursor,
    record::time,
};
use clock::StoreClock;
use db::Db;

/// One durable row per account in a SQLite file, shared by all processes of one host.
///
/// Changes are `BEGIN IMMEDIATE` transactions on one connection, with WAL and `synchronous=FULL`: what was acknowledged
/// survives the loss of the process and of power. The store's time is the host's wall clock, kept from stepping back.
/// A change waits at most 5 s for its turn in this process and 5 s for another process.
///
/// # Cancel safety
/// Every change runs in a task of its own. Dropping its future leaves nothing half done: the change is carried out, or
/// refused, without anybody hearing of it. [`close`](Self::close) waits for those tasks.
#[derive(Clone)]
pub struct SqliteStore {
    db: Arc<Db>,
    tasks: TaskTracker,
}

impl SqliteStore {
    /// Waits for the changes under way and closes the file. Later calls fail as not applied.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the rest of the closing to the drop of the store.
    pub async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.db.writer.close().await;
        self.db.notifier.close().await;
        self.db.reader.close().await;
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
        self.carry_out(|db| async move { db.change(change).await }).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let found =
            sqlx::query("SELECT clock.seen, meta.value FROM clock JOIN meta ON meta.name = 'identity'");
        let found = found.fetch_one(&self.db.reader).await.map_err(StoreError::not_applied)?;
        let columns = || Ok((found.try_get("seen")?, found.try_get::<&[u8], _>("value")?));
        let (seen, id) = columns().map_err(|error: sqlx::Error| StoreError::not_applied(error))?;
        let id = Uuid::from_slice(id).map_err(StoreError::not_applied)?;
        Ok(StoreIdentity { id, now: self.db.clock.now(time(seen)) })
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
        self.db.pinned(&format!("pin:{name}")).await
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        self.db.load(account).await
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.change(Change::claim(account, claim)).await.map(row)
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
        self.db.list(provider.map(str::to_owned), cursor, limit).await
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        let provider = provider.to_owned();
        self.carry_out(|db| async move { db.due(provider, hold, limit).await }).await
    }
}
