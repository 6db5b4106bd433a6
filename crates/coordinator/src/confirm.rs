//! Comparing what this process serves with what the fleet knows, behind the callers' backs.

use std::sync::Arc;

use solekey_cache::Entry;
use solekey_core::{Account, Generation, Moment, Ruling, Verdict, ports::Shelf};

use crate::{driver::Held, instance::Instance, provider::Provider, token::TokenData};

impl Instance {
    /// Starts a comparison if one is due; one caller per account and second gets to.
    pub(crate) fn confirm(
        self: &Arc<Self>,
        account: &Account,
        provider: &Arc<Provider>,
        entry: &Arc<Entry<Arc<TokenData>>>,
        now: Moment,
    ) {
        if self.draining().is_cancelled() || self.entries().take_confirmation(entry, now).is_none() {
            return;
        }
        let look = Look {
            instance: Arc::clone(self),
            account: account.clone(),
            provider: Arc::clone(provider),
            entry: Arc::clone(entry),
        };
        self.tracker.spawn(look.run());
    }
}

struct Look {
    instance: Arc<Instance>,
    account: Account,
    provider: Arc<Provider>,
    entry: Arc<Entry<Arc<TokenData>>>,
}

impl Look {
    async fn run(self) {
        if !self.at_shelf().await {
            self.at_store().await;
        }
    }

    /// Whether the shelf had something to say.
    async fn at_shelf(&self) -> bool {
        let Some(cache) = self.instance.cache() else { return false };
        let asked = self.instance.asking();
        let Ok(Shelf { known: Some(known), token, verdict, rejected, gone }) =
            cache.read(&self.account).await
        else {
            return false;
        };
        if rejected >= Some(self.entry.generation) {
            self.instance.entries().reject(self.account.key(), self.entry.generation, self.instance.now());
        }
        if let Some(Verdict { generation, ruling: Ruling::LogIn { .. }, .. }) = verdict {
            self.instance.condemn(self.account.key(), generation);
        }
        if known <= self.entry.generation {
            self.entry.confirm(asked);
            return true;
        }
        if gone {
            self.instance.entries().remove_older(self.account.key(), known);
            return true;
        }
        let held = token.and_then(|shelved| {
            self.instance.take_from_shelf(&self.account, &self.provider, &shelved, asked)
        });
        self.fill(held.as_ref(), rejected)
    }

    async fn at_store(&self) {
        let asked = self.instance.asking();
        let Ok(loaded) = self.instance.store().load(&self.account).await else { return };
        let Some(record) = loaded.record else { return };
        let generation = record.row.generation;
        if record.row.is_gone() {
            self.instance.entries().remove_older(self.account.key(), generation);
        } else if generation <= self.entry.generation {
            self.entry.confirm(asked);
        } else {
            let row = self.instance.stock_row(&self.account, &self.provider, record, loaded.now, asked);
            if let Some(login) = row.login {
                self.instance.entries().remove_older(self.account.key(), login);
            }
            self.fill(row.token.as_ref(), None);
        }
    }

    fn fill(&self, held: Option<&Held>, rejected: Option<Generation>) -> bool {
        held.is_some_and(|held| {
            let marked = rejected >= Some(held.data.generation);
            self.instance.fill(self.account.key(), held, marked.then(|| self.instance.now()));
            true
        })
    }
}
