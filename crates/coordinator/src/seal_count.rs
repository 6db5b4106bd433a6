//! How much lies under which key, counted without changing anything.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use solekey_core::{
    Account, Sealed,
    ports::{StoreError, Trouble},
};

use crate::{instance::Instance, solekey::Solekey};

/// What a look at all accounts has found of their seals, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct SealCount {
    /// The key that seals; absent where nothing is sealed.
    pub key: Option<String>,
    /// Accounts that were looked at.
    pub accounts: u64,
    /// Whether those were all.
    pub whole: bool,
    /// What lies under each other key of the ring, and in clear where the ring says so: credentials in rows, and the newest
    /// answer of each account in this process' place of answers.
    pub left: BTreeMap<String, u64>,
    /// Values under no key of the ring.
    pub unopened: u64,
    /// Accounts that could not be looked at.
    pub unread: u64,
    /// Whether the store's seal check is of the first key: a replica has walked over everything and found nothing to do.
    pub settled: bool,
}

impl Solekey {
    /// Counts what lies under which key of the ring, for as long as there is patience: where there is more, the count says
    /// that it is not whole. It reads rows and answers one by one, and changes nothing.
    ///
    /// # Cancel safety
    /// Dropping the future ends the count.
    pub async fn count_seals(&self, patience: Duration) -> SealCount {
        let instance = &self.instance;
        let left = instance.seal.all_older().map(|key| (key.to_owned(), 0)).collect();
        let mut count =
            SealCount { key: instance.seal.first().map(str::to_owned), left, ..SealCount::default() };
        let counted = tokio::time::timeout(patience, instance.count_seals(&mut count)).await;
        count.whole = matches!(counted, Ok(Ok(())));
        count
    }
}

impl Instance {
    async fn count_seals(&self, count: &mut SealCount) -> Result<(), StoreError> {
        let store = self.store().identity().await?.id;
        count.settled = self.resealing.check() == self.seal.check(store);
        let mut cursor = None;
        loop {
            let page = self.store().list(None, cursor.as_deref(), PAGE).await?;
            for (account, _) in &page.rows {
                count.unread += u64::from(self.count_seals_of(account, count).await.is_err());
                count.accounts += 1;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn count_seals_of(&self, account: &Account, count: &mut SealCount) -> Result<(), Unread> {
        let found = self.store().load(account).await?.record;
        if let Some(record) = found.filter(|record| !record.row.is_gone()) {
            self.count_seal(&record.payload, count);
        }
        let newest = self.answers().newest(account).await?.newest;
        if let Some(answer) = newest.filter(|answer| !answer.payload.as_bytes().is_empty()) {
            self.count_seal(&answer.payload, count);
        }
        Ok(())
    }

    fn count_seal(&self, sealed: &Sealed, count: &mut SealCount) {
        match self.seal.older(sealed) {
            _ if self.seal.is_current(sealed) => {}
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
