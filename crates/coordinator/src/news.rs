//! What this process hears from the others.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, Moment, mutant,
    ports::{Heard, Listen},
};

use crate::{
    announcement::Announcement, changes::Change, driver::Held, instance::Instance, observer::Level,
    unpublished::Owed,
};

impl Instance {
    /// Listens until the instance stops.
    pub(crate) async fn listen(self: Arc<Self>) {
        let stopped = self.stopped().clone();
        let at_shelf = async {
            let Some(cache) = self.cache() else { return };
            self.hear(&mut *cache.listen().await).await;
        };
        let beside_it = async {
            let Some(news) = self.news() else { return };
            self.hear(&mut *news.listen().await).await;
        };
        let hear = async { tokio::join!(at_shelf, beside_it) };
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
                    if !mutant("gap_in_the_news_is_ignored") {
                        self.memories.release_all();
                        self.waits().wake_all();
                    }
                    self.changes.announce(Change::Missed);
                    self.enrolment_in_question();
                    self.leftovers.look_again();
                    self.publish_again().await;
                }
            }
        }
    }

    /// The shelf is back: it may still show what it had before.
    async fn publish_again(&self) {
        if mutant("nothing_is_published_again") {
            return;
        }
        for (account, owed) in self.unpublished.take() {
            if let Some(announcement) = self.current(&account, owed) {
                self.publish(&account, announcement).await;
            }
        }
    }

    /// What is owed, with its token where that is served now.
    fn current(&self, account: &Account, owed: Owed) -> Option<Announcement> {
        let Owed { generation, gone, replaces } = owed;
        let bare = Announcement { generation, token: None, verdict: None, gone, replaces };
        // A newer one may be served from memory alone, acknowledged by nobody; where it was, whoever made it owes it.
        let Some(held) = self.served(account).filter(|held| held.data.generation == generation) else {
            return (gone || replaces).then_some(bare);
        };
        Some(Announcement {
            generation,
            token: Some(held),
            verdict: None,
            gone: false,
            replaces: replaces || gone,
        })
    }

    /// The token that this process serves.
    fn served(&self, account: &Account) -> Option<Held> {
        let entry = self.entries().get(account.key())?;
        let now = self.now();
        let times = solekey_cache::Times {
            good_until: entry.good_until,
            ahead_from: entry.ahead_from,
            valid_until: entry.valid_until,
        };
        let held = Held {
            data: Arc::clone(&entry.value),
            times,
            asked: self.entries().asking(now),
            level: Level::Process,
        };
        held.is_valid(now).then_some(held)
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
