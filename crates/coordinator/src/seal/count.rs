//! The count of values under each key; it changes nothing.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use solekey_core::{
    Account, Sealed,
    ports::{StoreError, Trouble},
};

use super::{check::BackendCheck, sealer::Sealer};
use crate::process::Process;

/// The number of values under each key, as far as the count came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct SealCount {
    /// The key that seals; absent where nothing is sealed.
    pub key: Option<String>,
    /// Accounts that were read.
    pub accounts: u64,
    /// True if those were all.
    pub whole: bool,
    /// The values under each other key of the ring, and in clear where the ring says so: credentials in rows, and the newest
    /// answer of each account in this process' location of answers.
    pub left: BTreeMap<String, u64>,
    /// Values under no key of the ring.
    pub unopened: u64,
    /// Accounts that could not be read.
    pub unread: u64,
    /// True if the store's seal check is of the first key: a replica has walked over everything and found nothing to do.
    pub settled: bool,
}

/// Counts values under each key of the ring.
pub(crate) struct SealCounter<'a> {
    pub(crate) process: &'a Process,
    pub(crate) sealer: &'a Sealer,
    pub(crate) check: &'a BackendCheck,
}

impl SealCounter<'_> {
    /// Counts for `patience` at most.
    ///
    /// # Cancel safety
    /// Dropping the future ends the count.
    pub(crate) async fn count(&self, patience: Duration) -> SealCount {
        let keys = self.sealer.keys();
        let left = keys.all_older().map(|key| (key.to_owned(), 0)).collect();
        let mut count = SealCount { key: keys.first().map(str::to_owned), left, ..SealCount::default() };
        let counted = tokio::time::timeout(patience, self.count_all(&mut count)).await;
        count.whole = matches!(counted, Ok(Ok(())));
        count
    }

    async fn count_all(&self, count: &mut SealCount) -> Result<(), StoreError> {
        let store = self.process.store().identity().await?.id;
        count.settled = self.check.pinned() == self.sealer.keys().check(store);
        let mut cursor = None;
        loop {
            let page = self.process.store().list(None, cursor.as_deref(), PAGE).await?;
            for (account, _) in &page.rows {
                count.unread += u64::from(self.count_account(account, count).await.is_err());
                count.accounts += 1;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn count_account(&self, account: &Account, count: &mut SealCount) -> Result<(), Unread> {
        let found = self.process.store().load(account).await?.record;
        if let Some(record) = found.filter(|record| !record.row.is_gone()) {
            self.count_value(&record.payload, count);
        }
        let found = self.process.answers().newest(account).await?;
        for answer in [found.newest, found.unread].into_iter().flatten() {
            if !answer.payload.as_bytes().is_empty() {
                self.count_value(&answer.payload, count);
            }
        }
        Ok(())
    }

    fn count_value(&self, sealed: &Sealed, count: &mut SealCount) {
        match self.sealer.keys().older(sealed) {
            _ if self.sealer.keys().is_current(sealed) => {}
            Some(key) => *count.left.entry(key.to_owned()).or_default() += 1,
            None => count.unopened += 1,
        }
    }
}

/// Row or answer could not be had.
struct Unread;

impl From<StoreError> for Unread {
    fn from(_: StoreError) -> Self {
        Self
    }
}

impl From<Trouble> for Unread {
    fn from(_: Trouble) -> Self {
        Self
    }
}

/// Accounts listed at once.
const PAGE: usize = 100;
