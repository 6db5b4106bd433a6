//! Publishing what changed, in the shared cache and the change feed.

use std::time::Duration;

use solekey_core::{
    Account, AccountKey, Decision, Generation, Moment, Sealed, StoreTime, Verdict, mutant,
    ports::{Cache, CachedToken, Publication, Trouble},
};

use super::{Fleet, changes::Change, pending::PendingPublication};
use crate::process::LocalToken;

/// An entry for the shared cache, with instants of this process' clock: spans are made of them when it is sent.
pub(crate) struct LocalPublication {
    pub(crate) generation: Generation,
    pub(crate) token: Option<LocalToken>,
    pub(crate) verdict: Option<Verdict<Moment>>,
    pub(crate) gone: bool,
    pub(crate) replaces: bool,
}

impl LocalPublication {
    /// The account was deleted.
    pub(crate) fn gone(generation: Generation) -> Self {
        Self { generation, token: None, verdict: None, gone: true, replaces: false }
    }

    fn pending(&self) -> PendingPublication {
        let Self { generation, gone, replaces, .. } = *self;
        PendingPublication { generation, gone, replaces }
    }

    /// Returns whether anything in it ends.
    fn has_spans(&self) -> bool {
        let not_before = |verdict: Verdict<_>| matches!(verdict.decision, Decision::NotBefore { .. });
        self.token.is_some() || self.verdict.is_some_and(not_before)
    }
}

impl Fleet {
    /// Publishes in the shared cache; what could not be published stays pending. Returns whether it was published.
    pub(crate) async fn publish(&self, account: &Account, publication: LocalPublication) -> bool {
        let (key, generation) = (account.key(), publication.generation);
        let Some(cache) = self.process.cache() else {
            // No notification comes back.
            self.changes.send(Change::Account { key, generation });
            return false;
        };
        match self.write_to_shared_cache(cache, account, &publication).await {
            Ok(_) => {
                self.pending.done(account, generation);
                true
            }
            Err(error) => {
                tracing::debug!(account = %key, error = &error as &dyn std::error::Error, "not published");
                self.pending.remember(account, publication.pending());
                false
            }
        }
    }

    /// What was to be published of this generation is history by now.
    pub(crate) fn overtaken(&self, account: &Account, generation: Generation) {
        self.pending.done(account, generation);
    }

    /// Publishes a change that the store has just taken: where the shared cache cannot take it, the change feed says where to
    /// read.
    pub(crate) async fn publish_change(&self, account: &Account, publication: LocalPublication) {
        let generation = publication.generation;
        if !self.publish(account, publication).await {
            self.notify(account.key(), generation).await;
        }
    }

    /// Notifies the others that the store has something of this generation. Those who do not hear it poll.
    pub(crate) async fn notify(&self, key: AccountKey, generation: Generation) {
        let feed =
            self.process.change_feed().filter(|_| !mutant("nobody_is_notified_without_a_shared_cache"));
        let Some(feed) = feed else { return };
        let notified = tokio::time::timeout(NOTIFY_TIMEOUT, feed.notify(key, generation)).await;
        if let Ok(Err(error)) = &notified {
            tracing::debug!(account = %key, error = error as &dyn std::error::Error, "the others are not notified");
        }
    }

    async fn write_to_shared_cache(
        &self,
        cache: &dyn Cache,
        account: &Account,
        publication: &LocalPublication,
    ) -> Result<bool, Trouble> {
        // Read before the spans are made: however late what follows is carried out, nothing lasts longer than here.
        let as_of = if publication.has_spans() { Some(cache.time().await?) } else { None };
        cache.publish(account, &self.to_port(publication, as_of)).await
    }

    fn to_port(&self, publication: &LocalPublication, as_of: Option<StoreTime>) -> Publication {
        let now = self.process.now();
        let LocalPublication { generation, token, verdict, gone, replaces } = publication;
        Publication {
            generation: *generation,
            token: token.as_ref().and_then(|token| self.to_cached(token, now)),
            verdict: verdict.map(|verdict| verdict.map(|at| at.since(now))),
            gone: *gone,
            replaces: *replaces,
            as_of,
            proof: Sealed::default(),
        }
    }

    /// A token as the shared cache holds it; `None` once it has expired.
    fn to_cached(&self, token: &LocalToken, now: Moment) -> Option<CachedToken> {
        let (valid, good) = token.left(now);
        let payload = self.sealer.seal_token(&token.data);
        (!valid.is_zero()).then_some(CachedToken { generation: token.data.generation, payload, valid, good })
    }
}

/// A flight waits for its notification to be sent: as long as a call to Redis may take.
const NOTIFY_TIMEOUT: Duration = Duration::from_millis(500);
