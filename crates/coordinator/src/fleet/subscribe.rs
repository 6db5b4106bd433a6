//! Hearing what the other replicas publish, and publishing what is pending.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, Moment, mutant,
    ports::{Heard, Listen},
};

use super::{Fleet, changes::Change, pending::PendingPublication, publish::LocalPublication};

impl Fleet {
    /// Listens until the process stops.
    pub(crate) async fn listen(self: Arc<Self>) {
        let stopped = self.process.tasks.stopped.clone();
        let shared_cache = async {
            let Some(cache) = self.process.cache() else { return };
            self.hear(&mut *cache.listen().await).await;
        };
        let change_feed = async {
            let Some(feed) = self.process.change_feed() else { return };
            self.hear(&mut *feed.listen().await).await;
        };
        let both = async { tokio::join!(shared_cache, change_feed) };
        let _ = stopped.run_until_cancelled(both).await;
    }

    async fn hear(&self, feed: &mut dyn Listen) {
        while let Some(heard) = feed.next().await {
            match heard {
                Heard::Changed { key, generation } => {
                    self.process.entries().heard(key, generation, self.process.now());
                    self.process.memories.release(key);
                    self.process.waits().wake(key, generation);
                    self.changes.send(Change::Account { key, generation });
                }
                Heard::Gap => self.on_gap().await,
            }
        }
    }

    async fn on_gap(&self) {
        self.process.entries().mark_unconfirmed_all();
        if !mutant("gap_in_the_change_feed_is_ignored") {
            self.process.memories.release_all();
            self.process.waits().wake_all();
        }
        self.changes.send(Change::Missed);
        self.check.reopen();
        self.process.gaps.notify_one();
        self.publish_pending().await;
    }

    /// Publishes what is pending: a shared cache that is back may still show what it had before.
    async fn publish_pending(&self) {
        if mutant("nothing_is_published_again") {
            return;
        }
        for (account, pending) in self.pending.take() {
            if let Some(publication) = self.current(&account, pending) {
                self.publish(&account, publication).await;
            }
        }
    }

    /// The pending publication, with its token where that is served now.
    fn current(&self, account: &Account, pending: PendingPublication) -> Option<LocalPublication> {
        let PendingPublication { generation, gone, replaces } = pending;
        let bare = LocalPublication { generation, token: None, verdict: None, gone, replaces };
        // A newer one may be served from memory alone, acknowledged by nobody; where it was acknowledged, whoever made it
        // publishes it.
        let served = self.process.served(account).filter(|token| token.data.generation == generation);
        let Some(token) = served else { return (gone || replaces).then_some(bare) };
        Some(LocalPublication {
            generation,
            token: Some(token),
            verdict: None,
            gone: false,
            replaces: replaces || gone,
        })
    }

    /// Reads the wall clock and publishes what is pending, once a second, until the process stops.
    pub(crate) async fn run_maintenance(self: Arc<Self>, observe_wall: impl Fn() + Send) {
        let stopped = self.process.tasks.stopped.clone();
        let work = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                observe_wall();
                self.publish_pending().await;
            }
        };
        let _: Option<Moment> = stopped.run_until_cancelled(work).await;
    }
}
