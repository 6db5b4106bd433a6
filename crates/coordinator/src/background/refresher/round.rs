//! Taking what is due at one provider.

use std::{collections::HashMap, sync::Arc, time::Duration};

use solekey_core::{Account, Limits, Moment, mutant};
use tokio::task::{Id, JoinError, JoinSet};

use super::{jitter::part_of, job::RefreshJob, state::Refresher};
use crate::{flight::Engine, observer::Event, provider::Provider};

/// The round at one provider.
pub(super) struct Round {
    engine: Arc<Engine>,
    refresher: Arc<Refresher>,
    provider: Arc<Provider>,
    limits: Limits,
    /// The accounts that were taken, a task each: a panic is one account's.
    jobs: JoinSet<()>,
    /// The accounts of these tasks.
    accounts: HashMap<Id, Account>,
    /// The number of reads in a row that found nothing due, or failed: the step of the pause.
    empty: u32,
}

impl Round {
    pub(super) fn new(
        engine: Arc<Engine>,
        refresher: Arc<Refresher>,
        provider: Arc<Provider>,
        limits: Limits,
    ) -> Self {
        Self { engine, refresher, provider, limits, jobs: JoinSet::new(), accounts: HashMap::new(), empty: 0 }
    }

    /// Goes on until the instance drains, and ends with the last account that it has taken.
    pub(super) async fn run(mut self) {
        let draining = self.engine.process.tasks.draining.clone();
        // Replicas that start together do not ask together.
        let mut at = self.engine.process.now() + part_of(SHORT_PAUSE);
        loop {
            let free = self.free_slots();
            tokio::select! {
                biased;
                () = draining.cancelled() => break,
                Some(ended) = self.jobs.join_next_with_id() => self.ended(ended),
                () = self.engine.process.sleep_until(at), if free > 0 => at = self.take(free).await,
            }
        }
        while let Some(ended) = self.jobs.join_next_with_id().await {
            self.ended(ended);
        }
    }

    /// Returns how many accounts may be taken: as many as can be started, so that none is hidden while it waits for its turn.
    /// Taking one at a time would query the store too often.
    fn free_slots(&self) -> usize {
        let permits = self.refresher.starts.share(self.provider.name(), self.limits);
        let free = permits.saturating_sub(self.jobs.len());
        if mutant("batch_is_larger_than_the_free_slots") {
            return 100;
        }
        if free * 2 >= permits { free } else { 0 }
    }

    /// Takes what is due; when to do so again.
    async fn take(&mut self, free: usize) -> Moment {
        let now = self.engine.process.now();
        if let Some(until) = self.refresher.paused_until(&self.provider, now) {
            // All replicas know the end of it.
            return until + part_of(SHORT_PAUSE.max(until.since(now) / 20).min(LONG_PAUSE));
        }
        let taken = self.due(free).await;
        self.empty = if taken.is_empty() { self.empty.saturating_add(1) } else { 0 };
        let pause = match taken.len() {
            0 => (SHORT_PAUSE * (1 << self.empty.min(5))).min(LONG_PAUSE),
            all if all >= free => self.pause_after(all),
            _ => SHORT_PAUSE,
        };
        for account in taken {
            self.start_job(account);
        }
        self.engine.process.now() + pause / 4 * 3 + part_of(pause / 4)
    }

    /// Returns the pause after so many reads. Accounts that are due and present nothing, because they cannot be opened for
    /// instance, are no reason to hurry.
    fn pause_after(&self, taken: usize) -> Duration {
        if mutant("checks_are_not_spaced") {
            return Duration::ZERO;
        }
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Duration::from_secs(1).saturating_mul(taken) / (self.limits.rate().max(1) * POLLS_PER_START)
    }

    async fn due(&self, limit: usize) -> Vec<Account> {
        let (engine, name) = (&self.engine, self.provider.name());
        if engine.check.ensure().await.is_err() {
            return Vec::new();
        }
        let visibility =
            if mutant("taken_accounts_stay_visible") { Duration::ZERO } else { VISIBILITY_TIMEOUT };
        match tokio::time::timeout(TAKING, engine.process.store().due(name, visibility, limit)).await {
            Ok(Ok(taken)) => {
                if !taken.is_empty() {
                    engine.process.observe(&Event::Due { provider: name, accounts: taken.len() });
                }
                taken
            }
            Ok(Err(error)) => {
                tracing::debug!(
                    provider = name,
                    error = &error as &dyn std::error::Error,
                    "what is due is not known"
                );
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    fn start_job(&mut self, account: Account) {
        let (engine, refresher) = (Arc::clone(&self.engine), Arc::clone(&self.refresher));
        let provider = Arc::clone(&self.provider);
        let of = account.clone();
        let job = RefreshJob { engine, refresher, provider, limits: self.limits, account };
        self.accounts.insert(self.jobs.spawn(job.run()).id(), of);
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let key = self.accounts.remove(&id).map(|account| account.key());
        debug_assert_eq!(self.accounts.len(), self.jobs.len(), "an account for each task and no other");
        let (Err(panic), Some(key)) = (ended, key) else { return };
        tracing::error!(
            provider = self.provider.name(),
            account = %key,
            error = &panic as &dyn std::error::Error,
            "a refresh job panicked; its account is due again after the visibility timeout"
        );
        assert!(!mutant("panic_ends_the_round"), "the bug of a round that ends with one account");
    }
}

/// The time for which no other replica takes an account that was taken: longer than a wait for a start and an exchange
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest time that taking accounts may take.
const TAKING: Duration = Duration::from_secs(5);
/// Enough that the starts of a whole fleet can come from one replica, whatever a read finds.
const POLLS_PER_START: u32 = 4;
/// The pause before the next read where the last one found something.
const SHORT_PAUSE: Duration = Duration::from_secs(1);
/// The pause before the next read where nothing has been due for a while: short compared with the time for which tokens
/// are refreshed ahead, and four reads a minute.
const LONG_PAUSE: Duration = Duration::from_secs(15);
