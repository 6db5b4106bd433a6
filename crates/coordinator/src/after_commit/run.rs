//! Running hooks within their budget.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use solekey_core::{Account, Additions, Generation, mutant, ports::BoxError};
use tokio::task::JoinSet;

use super::{AfterCommit, Committed, write_back::Found};
use crate::{instance::Instance, token::AccessToken};

impl Instance {
    /// Runs hooks until the instance stops; those under way then get a moment to end.
    pub(crate) async fn keep_hooks(self: Arc<Self>) {
        if self.hooks.is_empty() {
            return;
        }
        let stopped = self.stopped().clone();
        let (mut running, mut writing) = (JoinSet::new(), JoinSet::new());
        loop {
            tokio::select! {
                biased;
                () = stopped.cancelled() => break,
                Some(found) = running.join_next(), if !running.is_empty() => {
                    self.write_found(found.ok().flatten(), &mut writing);
                }
                Some(_) = writing.join_next(), if !writing.is_empty() => {}
                (account, generation) = self.hooks.next(), if running.len() < MAX_RUNNING => {
                    running.spawn(Arc::clone(&self).run_hooks(account, generation));
                }
            }
        }
        let rest = async {
            while let Some(found) = running.join_next().await {
                self.write_found(found.ok().flatten(), &mut writing);
            }
            while writing.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(LEAVE, rest).await;
    }

    fn write_found(self: &Arc<Self>, found: Option<Found>, writing: &mut JoinSet<()>) {
        if let Some(found) = found.filter(|_| writing.len() < MAX_WRITING) {
            writing.spawn(Arc::clone(self).write_back(found));
        }
    }

    /// All hooks for one commit, one after the other; what they found.
    pub(crate) async fn run_hooks(
        self: Arc<Self>,
        account: Account,
        generation: Generation,
    ) -> Option<Found> {
        let committed = self.as_committed(&account, generation).await?;
        let mut additions = Additions::new();
        for (at, hook) in self.hooks.list.iter().enumerate() {
            let run = AssertUnwindSafe(self.run_hook(at, &**hook, &committed)).catch_unwind().await;
            match run {
                Ok(Ok(found)) => additions.extend(found),
                Ok(Err(error)) => {
                    tracing::warn!(hook = hook.name(), account = %account.key(), error = &*error, "a hook failed");
                }
                Err(_) => tracing::error!(hook = hook.name(), account = %account.key(), "a hook panicked"),
            }
        }
        let stale = mutant("hook_writes_back_what_it_read").then(|| committed.credential.clone());
        (!additions.is_empty()).then_some(Found { account, generation, additions, stale })
    }

    async fn run_hook(
        &self,
        at: usize,
        hook: &dyn AfterCommit,
        committed: &Committed,
    ) -> Result<Additions, BoxError> {
        let key = committed.account().key();
        if !hook.wants(committed) || !self.hooks.admit(at, key, hook.cooldown(), self.now()) {
            return Ok(Additions::new());
        }
        tokio::time::timeout(BUDGET, hook.after_commit(committed)).await?
    }

    /// The row as it stands; `None` where something newer has come, or it holds no access token.
    async fn as_committed(&self, account: &Account, generation: Generation) -> Option<Committed> {
        let provider = Arc::clone(self.providers.get(account.provider())?);
        let asked = self.asking();
        let loaded = tokio::time::timeout(LOOK, self.store().load(account)).await.ok()?.ok()?;
        let record = loaded.record.filter(|record| record.row.generation == generation)?;
        let row = self.stock_row(account, &provider, record, loaded.now, asked);
        let (credential, held) = (row.credential.ok()??, row.token?);
        Some(Committed { token: AccessToken::new(held.data, false), credential })
    }
}

/// Commits whose hooks run at once.
const MAX_RUNNING: usize = 8;
/// What one run of a hook may take.
const BUDGET: Duration = Duration::from_secs(10);
/// What a look at the store may take.
const LOOK: Duration = Duration::from_secs(5);
/// Write-backs under way at once: most end at once, some wait for an exchange.
const MAX_WRITING: usize = 256;
/// What hooks under way may take at the end: shorter than an exchange, which is awaited anyway.
const LEAVE: Duration = Duration::from_secs(2);
