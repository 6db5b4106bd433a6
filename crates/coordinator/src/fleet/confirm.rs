//! Confirmation: a comparison of what this process serves with what the fleet knows, behind the callers' backs.

use std::sync::Arc;

use solekey_cache::Entry;
use solekey_core::{Account, Moment, Standing};

use super::Fleet;
use crate::{process::LocalToken, provider::Provider, token::TokenData};

impl Fleet {
    /// Starts a comparison if one is due; one caller per account and second gets to.
    pub(crate) fn confirm(
        self: &Arc<Self>,
        account: &Account,
        provider: &Arc<Provider>,
        entry: &Arc<Entry<Arc<TokenData>>>,
        now: Moment,
    ) {
        if self.process.tasks.is_draining() || self.process.entries().take_confirmation(entry, now).is_none()
        {
            return;
        }
        let confirmation = Confirmation {
            fleet: Arc::clone(self),
            account: account.clone(),
            provider: Arc::clone(provider),
            entry: Arc::clone(entry),
        };
        self.process.tasks.tracker.spawn(confirmation.run());
    }
}

struct Confirmation {
    fleet: Arc<Fleet>,
    account: Account,
    provider: Arc<Provider>,
    entry: Arc<Entry<Arc<TokenData>>>,
}

impl Confirmation {
    async fn run(self) {
        if !self.at_shared_cache().await {
            self.at_store().await;
        }
    }

    /// Returns whether the shared cache settled it.
    async fn at_shared_cache(&self) -> bool {
        let process = &*self.fleet.process;
        let Some(cache) = process.cache() else { return false };
        let read_start = process.begin_read();
        let Ok(cached) = cache.read(&self.account).await else { return false };
        let served = self.entry.generation;
        if cached.is_rejected(served) {
            process.entries().reject(self.account.key(), served, process.now());
        }
        if let Some(generation) = cached.ended_grant() {
            process.condemn(self.account.key(), generation);
        }
        match cached.standing_of(served) {
            Standing::Unknown => return false,
            Standing::Current => self.entry.confirm(read_start),
            Standing::Deleted(generation) => {
                process.entries().remove_older(self.account.key(), generation);
            }
            Standing::Superseded => {
                let token = cached.token.as_ref();
                let newer = token.and_then(|token| {
                    self.fleet.sealer.open_cached_token(
                        process,
                        &self.account,
                        &self.provider,
                        token,
                        read_start,
                    )
                });
                let Some(newer) = newer else { return false };
                self.fill(&newer, cached.is_rejected(newer.data.generation));
            }
        }
        true
    }

    async fn at_store(&self) {
        let process = &*self.fleet.process;
        let read_start = process.begin_read();
        let Ok(loaded) = process.store().load(&self.account).await else { return };
        let Some(record) = loaded.record else { return };
        match record.row.standing_of(self.entry.generation) {
            Standing::Unknown => {}
            Standing::Current => self.entry.confirm(read_start),
            Standing::Deleted(generation) => {
                process.entries().remove_older(self.account.key(), generation);
            }
            Standing::Superseded => {
                let row = self.fleet.sealer.open_row(
                    process,
                    &self.account,
                    &self.provider,
                    record,
                    loaded.now,
                    read_start,
                );
                if let Some(login) = row.login {
                    process.entries().remove_older(self.account.key(), login);
                }
                if let Some(newer) = &row.token {
                    self.fill(newer, false);
                }
            }
        }
    }

    fn fill(&self, token: &LocalToken, rejected: bool) {
        let process = &*self.fleet.process;
        process.fill(self.account.key(), token, rejected.then(|| process.now()));
    }
}
