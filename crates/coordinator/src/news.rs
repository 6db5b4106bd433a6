//! What this process hears from the others, and what it still has to tell them.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use solekey_core::{
    Account, Moment,
    ports::{Heard, Listen, Publication},
};

use crate::{changes::Change, driver::Held, instance::Instance};

/// Accounts whose newest token could not be published.
#[derive(Debug, Default)]
pub(crate) struct Unpublished(Mutex<HashSet<Account>>);

impl Unpublished {
    pub(crate) fn remember(&self, account: &Account) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() < MAX_UNPUBLISHED {
            accounts.insert(account.clone());
        }
    }

    pub(crate) fn done(&self, account: &Account) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }

    fn take(&self) -> Vec<Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}

impl Instance {
    /// Listens until the instance stops.
    pub(crate) async fn listen(self: Arc<Self>) {
        let stopped = self.stopped().clone();
        let hear = async {
            let Some(cache) = self.cache() else { return };
            let mut news = cache.listen().await;
            self.hear(&mut *news).await;
        };
        let _ = stopped.run_until_cancelled(hear).await;
    }

    async fn hear(&self, news: &mut dyn Listen) {
        while let Some(heard) = news.next().await {
            match heard {
                Heard::Changed { key, generation } => {
                    self.entries().heard(key, generation, self.now());
                    self.memories.release(key);
                    self.waits().wake(key, generation);
                    self.changes.announce(Change::Account { key, generation });
                }
                Heard::Gap => {
                    self.entries().mark_unconfirmed_all();
                    self.memories.release_all();
                    self.waits().wake_all();
                    self.changes.announce(Change::Missed);
                    self.enrolment_in_question();
                    self.publish_again().await;
                }
            }
        }
    }

    /// The shelf is back: it may still show what it had before.
    async fn publish_again(&self) {
        for account in self.unpublished.take() {
            if let Some(publication) = self.current(&account) {
                self.publish(&account, publication).await;
            }
        }
    }

    fn current(&self, account: &Account) -> Option<Publication> {
        let entry = self.entries().get(account.key())?;
        let now = self.now();
        let times = solekey_cache::Times {
            good_until: entry.good_until,
            ahead_from: entry.ahead_from,
            valid_until: entry.valid_until,
        };
        let held = Held { data: Arc::clone(&entry.value), times, asked: self.entries().asking(now) };
        let token = self.shelve(&held, now)?;
        Some(Publication {
            generation: entry.generation,
            token: Some(token),
            verdict: None,
            gone: false,
            replaces: false,
        })
    }

    /// Looks at the wall clock and at what could not be published, once a second, until the instance stops.
    pub(crate) async fn keep_house(self: Arc<Self>, observe_wall: impl Fn() + Send) {
        let stopped = self.stopped().clone();
        let work = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                observe_wall();
                self.publish_again().await;
            }
        };
        let _: Option<Moment> = stopped.run_until_cancelled(work).await;
    }
}

/// Beyond it the shelf shows the older token until somebody confirms it: at most 30 s.
const MAX_UNPUBLISHED: usize = 10_000;
