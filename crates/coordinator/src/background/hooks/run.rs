//! Running hooks within their budget.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use solekey_core::{Account, Additions, Generation, mutant, ports::BoxError};
use tokio::task::JoinSet;

use super::{AfterCommit, Committed, queue::Hooks, write_back::Found};
use crate::{process::Process, seal::Sealer, token::AccessToken};

/// The task that runs hooks.
#[derive(Clone)]
pub(crate) struct HookTask {
    pub(crate) process: Arc<Process>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) hooks: Arc<Hooks>,
}

impl HookTask {
    /// Runs hooks until the instance stops; those under way then get a moment to end.
    pub(crate) async fn run(self) {
        if self.hooks.is_empty() {
            return;
        }
        let stopped = self.process.tasks.stopped.clone();
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
                    running.spawn(self.clone().run_hooks(account, generation));
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

    fn write_found(&self, found: Option<Found>, writing: &mut JoinSet<()>) {
        if let Some(found) = found.filter(|_| writing.len() < MAX_WRITING) {
            writing.spawn(self.clone().write_back(found));
        }
    }

    /// All hooks for one commit, one after the other; what they found.
    pub(crate) async fn run_hooks(self, account: Account, generation: Generation) -> Option<Found> {
        let committed = self.as_committed(&account, generation).await?;
        let mut additions = Additions::new();
        for (at, hook) in self.hooks.list.iter().enumerate() {
            let run = AssertUnwindSafe(self.run_hook(at, &**hook, &committed)).catch_unwind().await;
            match run {
                Ok(Ok(found)) => additions.extend(found),
                Ok(Err(error)) => {
                    tracing::warn!(
                        hook = hook.name(),
                        provider = account.provider(),
                        account = %account.key(),
                        error = &*error,
                        "a hook failed; it runs again after a later commit of the account"
                    );
                }
                Err(_) => tracing::error!(
                    hook = hook.name(),
                    provider = account.provider(),
                    account = %account.key(),
                    "a hook panicked; it runs again after a later commit of the account"
                ),
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
        if !hook.wants(committed) || !self.hooks.admit(at, key, hook.cooldown(), self.process.now()) {
            return Ok(Additions::new());
        }
        tokio::time::timeout(BUDGET, hook.after_commit(committed)).await?
    }

    /// The row as it stands; `None` where something newer has come, or it holds no access token.
    async fn as_committed(&self, account: &Account, generation: Generation) -> Option<Committed> {
        let provider = Arc::clone(self.process.providers.get(account.provider())?);
        let asked = self.process.begin_read();
        let loaded =
            tokio::time::timeout(READ_TIMEOUT, self.process.store().load(account)).await.ok()?.ok()?;
        let record = loaded.record.filter(|record| record.row.generation == generation)?;
        let row = self.sealer.open_row(&self.process, account, &provider, record, loaded.now, asked);
        let (credential, held) = (row.credential.ok()??, row.token?);
        Some(Committed { token: AccessToken::new(held.data, false), credential })
    }
}

/// Commits whose hooks run at once.
const MAX_RUNNING: usize = 8;
/// The longest time that one run of a hook may take.
const BUDGET: Duration = Duration::from_secs(10);
/// The longest time that a read of the store may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Write-backs under way at once: most end at once, some wait for an exchange.
const MAX_WRITING: usize = 256;
/// The longest time that hooks under way may take at the end: shorter than an exchange, which is awaited anyway.
const LEAVE: Duration = Duration::from_secs(2);
