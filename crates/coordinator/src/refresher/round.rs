//! Taking what is due at one provider.

use std::{sync::Arc, time::Duration};

use solekey_core::{Account, Limits, Moment, mutant};
use tokio::task::{JoinError, JoinSet};

use super::{part_of, tending::Tending};
use crate::{instance::Instance, observer::Event, provider::Provider};

/// The round at one provider.
pub(super) struct Round {
    instance: Arc<Instance>,
    provider: Arc<Provider>,
    limits: Limits,
    /// The accounts that were taken, a task each: a panic is one account's.
    tended: JoinSet<()>,
    /// How often in a row nothing was due, or the store could not tell: the step of the pause.
    empty: u32,
}

impl Round {
    pub(super) fn new(instance: Arc<Instance>, provider: Arc<Provider>, limits: Limits) -> Self {
        Self { instance, provider, limits, tended: JoinSet::new(), empty: 0 }
    }

    /// Goes on until the instance drains, and ends with the last account that it has taken.
    pub(super) async fn run(mut self) {
        let draining = self.instance.draining().clone();
        // Replicas that start together do not ask together.
        let mut at = self.instance.now() + part_of(SHORT_PAUSE);
        loop {
            let room = self.room();
            tokio::select! {
                biased;
                () = draining.cancelled() => break,
                Some(ended) = self.tended.join_next() => self.ended(&ended),
                () = self.instance.sleep_until(at), if room > 0 => at = self.take(room).await,
            }
        }
        while let Some(ended) = self.tended.join_next().await {
            self.ended(&ended);
        }
    }

    /// How many accounts may be taken: as many as can be started, so that nothing is held for its turn. Asking for one
    /// at a time would ask too often.
    fn room(&self) -> usize {
        let places = self.instance.refresher.starts.room(self.provider.name(), self.limits);
        let free = places.saturating_sub(self.tended.len());
        if mutant("batch_is_larger_than_the_room") {
            return 100;
        }
        if free * 2 >= places { free } else { 0 }
    }

    /// Takes what is due; when to do so again.
    async fn take(&mut self, room: usize) -> Moment {
        let now = self.instance.now();
        if let Some(until) = self.instance.held_up(&self.provider, now) {
            // All replicas know the end of it.
            return until + part_of(SHORT_PAUSE.max(until.since(now) / 20).min(LONG_PAUSE));
        }
        let taken = self.due(room).await;
        self.empty = if taken.is_empty() { self.empty.saturating_add(1) } else { 0 };
        let pause = match taken.len() {
            0 => (SHORT_PAUSE * (1 << self.empty.min(5))).min(LONG_PAUSE),
            all if all >= room => self.looks(all),
            _ => SHORT_PAUSE,
        };
        for account in taken {
            self.tend(account);
        }
        self.instance.now() + pause / 4 * 3 + part_of(pause / 4)
    }

    /// How long so many looks are enough for. Accounts that are due and present nothing, because they cannot be opened for one,
    /// are no reason to hurry.
    fn looks(&self, taken: usize) -> Duration {
        if mutant("looks_are_not_spaced") {
            return Duration::ZERO;
        }
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Duration::from_secs(1).saturating_mul(taken) / (self.limits.rate().max(1) * LOOKS_PER_START)
    }

    async fn due(&self, room: usize) -> Vec<Account> {
        let (instance, name) = (&self.instance, self.provider.name());
        if instance.be_a_member().await.is_err() {
            return Vec::new();
        }
        let hold = if mutant("taken_accounts_are_not_held") { Duration::ZERO } else { HOLD };
        match tokio::time::timeout(TAKING, instance.store().due(name, hold, room)).await {
            Ok(Ok(taken)) => {
                if !taken.is_empty() {
                    instance.observe(&Event::Due { provider: name, accounts: taken.len() });
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

    fn tend(&mut self, account: Account) {
        let (instance, provider) = (Arc::clone(&self.instance), Arc::clone(&self.provider));
        self.tended.spawn(Tending { instance, provider, limits: self.limits, account }.run());
    }

    fn ended(&self, ended: &Result<(), JoinError>) {
        let Err(panic) = ended else { return };
        tracing::error!(
            provider = self.provider.name(),
            error = panic as &dyn std::error::Error,
            "an account was not looked after to its end: it is due again after the hold"
        );
        assert!(!mutant("panic_ends_the_round"), "the bug of a round that ends with one account");
    }
}

/// How long an account that was taken is nobody else's: longer than a wait for a start and an exchange take.
const HOLD: Duration = Duration::from_secs(120);
/// How long taking may take.
const TAKING: Duration = Duration::from_secs(5);
/// Enough that the starts of a whole fleet can come from one replica, whatever a look finds.
const LOOKS_PER_START: u32 = 4;
/// Until the next look where the last one found something.
const SHORT_PAUSE: Duration = Duration::from_secs(1);
/// Until the next look where nothing has been due for a while: short beside the time for which tokens are refreshed ahead,
/// and four questions a minute.
const LONG_PAUSE: Duration = Duration::from_secs(15);
