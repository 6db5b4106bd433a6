//! What the others are to hear.

use std::time::Duration;

use solekey_core::{
    Account, AccountKey, Generation, Moment, Ruling, StoreTime, Verdict, mutant,
    ports::{Cache, Publication, Shelved, Trouble},
};

use crate::{changes::Change, driver::Held, instance::Instance, unpublished::Owed};

/// What goes on the shelf, with instants of this process' clock: spans are made of them as it goes out.
pub(crate) struct Announcement {
    pub(crate) generation: Generation,
    pub(crate) token: Option<Held>,
    pub(crate) verdict: Option<Verdict<Moment>>,
    pub(crate) gone: bool,
    pub(crate) replaces: bool,
}

impl Announcement {
    /// The account was deleted.
    pub(crate) fn gone(generation: Generation) -> Self {
        Self { generation, token: None, verdict: None, gone: true, replaces: false }
    }

    fn owed(&self) -> Owed {
        let Self { generation, gone, replaces, .. } = *self;
        Owed { generation, gone, replaces }
    }

    /// Whether anything in it ends.
    fn has_spans(&self) -> bool {
        let not_before = |verdict: Verdict<_>| matches!(verdict.ruling, Ruling::NotBefore { .. });
        self.token.is_some() || self.verdict.is_some_and(not_before)
    }
}

impl Instance {
    /// Tells the others by way of the shelf; what could not be told is told later. Whether they have been told.
    pub(crate) async fn publish(&self, account: &Account, announcement: Announcement) -> bool {
        let (key, generation) = (account.key(), announcement.generation);
        let Some(cache) = self.cache() else {
            // No news come back.
            self.changes.announce(Change::Account { key, generation });
            return false;
        };
        match self.put_on_shelf(cache, account, &announcement).await {
            Ok(_) => {
                self.unpublished.done(account, generation);
                true
            }
            Err(error) => {
                tracing::debug!(account = %key, error = &error as &dyn std::error::Error, "not published");
                self.unpublished.remember(account, announcement.owed());
                false
            }
        }
    }

    /// The same of a change that the store has just taken: where the shelf cannot tell of it, the others are told to
    /// look at the store.
    pub(crate) async fn publish_change(&self, account: &Account, announcement: Announcement) {
        let generation = announcement.generation;
        if !self.publish(account, announcement).await {
            self.hint(account.key(), generation).await;
        }
    }

    /// Tells the others that the store has something of this generation. Those who do not hear it poll.
    pub(crate) async fn hint(&self, key: AccountKey, generation: Generation) {
        let Some(news) = self.news().filter(|_| !mutant("nobody_is_told_without_a_shelf")) else { return };
        let told = tokio::time::timeout(HINTING, news.tell(key, generation)).await;
        if let Ok(Err(error)) = &told {
            tracing::debug!(account = %key, error = error as &dyn std::error::Error, "the others are not told");
        }
    }

    async fn put_on_shelf(
        &self,
        cache: &dyn Cache,
        account: &Account,
        announcement: &Announcement,
    ) -> Result<bool, Trouble> {
        // Asked for before the spans are made: however late what follows is carried out, nothing lasts longer than here.
        let as_of = if announcement.has_spans() { Some(cache.time().await?) } else { None };
        cache.publish(account, &self.publication(announcement, as_of)).await
    }

    fn publication(&self, announcement: &Announcement, as_of: Option<StoreTime>) -> Publication {
        let now = self.now();
        let Announcement { generation, token, verdict, gone, replaces } = announcement;
        Publication {
            generation: *generation,
            token: token.as_ref().and_then(|held| self.shelve(held, now)),
            verdict: verdict.map(|verdict| verdict.map(|at| at.since(now))),
            gone: *gone,
            replaces: *replaces,
            as_of,
        }
    }

    /// What a token looks like on the shelf; `None` once it has expired.
    fn shelve(&self, held: &Held, now: Moment) -> Option<Shelved> {
        let (valid, good) = held.left(now);
        let payload = self.vault().seal_token(&held.data);
        (!valid.is_zero()).then_some(Shelved { generation: held.data.generation, payload, valid, good })
    }
}

/// A flight waits for its hint to be told: as long as a call to Redis may take.
const HINTING: Duration = Duration::from_millis(500);
