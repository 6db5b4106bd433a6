//! The starts that the fleet shares.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solekey_core::{
    AccountKey, ClaimId, Gate, Limits, Moment, mutant,
    ports::{Ask, Hold, Paced, Start},
};
use uuid::Uuid;

use super::part_of;
use crate::{instance::Instance, provider::Provider};

/// What this process knows of the starts at each provider, and keeps to where it cannot ask the others.
#[derive(Debug)]
pub(crate) struct Starts {
    who: Uuid,
    here: Mutex<HashMap<Box<str>, Here>>,
    /// Accounts whose next presentation was asked for.
    grants: Mutex<HashSet<AccountKey>>,
}

#[derive(Debug)]
struct Here {
    gate: Gate,
    /// How many processes there are, as was last told.
    replicas: u32,
    /// Starts that nobody asked for, and of which the others have not been told.
    unspent: u32,
    telling: bool,
    /// Those who wait for a start, one after the other: each asks when it is its turn.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Here {
    fn default() -> Self {
        let (gate, turn) = (Gate::default(), Arc::default());
        Self { gate, replicas: 1, unspent: 0, telling: false, turn }
    }
}

impl Default for Starts {
    fn default() -> Self {
        Self { who: Uuid::new_v4(), here: Mutex::default(), grants: Mutex::default() }
    }
}

impl Starts {
    /// Until when the provider wants to be left alone.
    pub(super) fn paused(&self, provider: &str, now: Moment) -> Option<Moment> {
        self.lock().get(provider)?.gate.paused(now)
    }

    /// How many of the places are this process' to fill: together the replicas may wait for somewhat more than there are.
    pub(super) fn room(&self, provider: &str, limits: Limits) -> usize {
        let replicas = self.lock().get(provider).map_or(1, |here| here.replicas);
        limits.places().div_ceil(replicas.max(1)) as usize
    }

    pub(super) fn grant(&self, key: AccountKey) {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// Whether the account's presentation was asked for; once.
    pub(super) fn take_grant(&self, key: AccountKey) -> bool {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)
    }

    fn turn(&self, provider: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.at(provider, |here| Arc::clone(&here.turn))
    }

    fn at<T>(&self, provider: &str, work: impl FnOnce(&mut Here) -> T) -> T {
        work(self.lock().entry(provider.into()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Here>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, provider: &str, paced: Paced, now: Moment) {
        self.at(provider, |here| {
            here.replicas = paced.replicas.max(1);
            if let Start::Later { wait, why: Hold::Paused } = paced.start {
                here.gate.pause(now + wait);
            }
        });
    }
}

/// Why no start was waited for any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GaveUp {
    /// Others were before it for too long.
    Crowded,
    /// The provider wants to be left alone, or nothing comes back from it.
    HeldUp,
    Draining,
}

impl Instance {
    /// Waits for a start; the place it takes has to be left.
    pub(super) async fn wait_for_start(
        &self,
        provider: &Provider,
        limits: Limits,
    ) -> Result<ClaimId, GaveUp> {
        let place = ClaimId::new(Uuid::new_v4());
        let waiting = async {
            let turn = self.refresher.starts.turn(provider.name());
            let _turn = turn.lock().await;
            self.take_turn(provider, limits, place).await
        };
        let patient = tokio::time::timeout(PATIENCE, waiting);
        let gave_up = match self.draining().run_until_cancelled(patient).await {
            Some(Ok(Ok(()))) => return Ok(place),
            Some(Ok(Err(gave_up))) => gave_up,
            Some(Err(_)) => GaveUp::Crowded,
            None => GaveUp::Draining,
        };
        // A question may have been granted whose answer was not waited for.
        self.leave_place(provider, place).await;
        Err(gave_up)
    }

    async fn take_turn(&self, provider: &Provider, limits: Limits, place: ClaimId) -> Result<(), GaveUp> {
        loop {
            if self.held_up(provider, self.now()).is_some() {
                return Err(GaveUp::HeldUp);
            }
            match self.ask_to_start(provider, limits, place).await {
                Start::Granted if self.refresher.setbacks.admit(provider.name(), self.now()) => return Ok(()),
                Start::Granted | Start::Later { why: Hold::Paused, .. } => return Err(GaveUp::HeldUp),
                Start::Later { wait, why: Hold::Rate } => self.sleep_until(self.now() + wait).await,
                // A place is given back without a word.
                Start::Later { wait, why: Hold::Places } => {
                    let poll = wait.min(POLL / 2 + part_of(POLL / 2));
                    self.sleep_until(self.now() + poll).await;
                }
            }
        }
    }

    async fn ask_to_start(&self, provider: &Provider, limits: Limits, place: ClaimId) -> Start {
        if mutant("starts_are_not_asked_for") {
            return Start::Granted;
        }
        let (starts, name) = (&self.refresher.starts, provider.name());
        let ttl = provider.policy().span() + provider.policy().lease_ttl();
        let ask = Ask { who: starts.who, place, limits, ttl };
        if let Some(pace) = &self.ports.pace {
            match tokio::time::timeout(ASKING, pace.ask(name, &ask)).await {
                Ok(Ok(paced)) => {
                    starts.learn(name, paced, self.now());
                    return paced.start;
                }
                Ok(Err(error)) => {
                    tracing::debug!(
                        provider = name,
                        error = &error as &dyn std::error::Error,
                        "starts not shared"
                    );
                }
                Err(_) => tracing::debug!(provider = name, "starts not shared in time"),
            }
        }
        let now = self.now();
        starts.at(name, |here| here.gate.ask_alone(now, &ask, here.replicas))
    }

    /// Gives a place back. One that could not be is free after a while.
    pub(super) async fn leave_place(&self, provider: &Provider, place: ClaimId) {
        self.refresher.starts.at(provider.name(), |here| here.gate.leave(place));
        let Some(pace) = &self.ports.pace else { return };
        let left = tokio::time::timeout(ASKING, pace.leave(provider.name(), place)).await;
        if let Ok(Err(error)) = &left {
            tracing::debug!(error = error as &dyn std::error::Error, "place left to its end");
        }
    }

    /// A presentation that somebody waits for: it goes ahead, and whoever asks yields.
    pub(super) fn spend_start(self: &Arc<Self>, provider: &Arc<Provider>) {
        let Some(limits) = provider.limits().filter(|_| !mutant("requests_spend_nothing")) else { return };
        let now = self.now();
        let begin_telling = self.refresher.starts.at(provider.name(), |here| {
            here.gate.spend(now, 1, limits);
            here.unspent = here.unspent.saturating_add(1);
            self.ports.pace.is_some() && !std::mem::replace(&mut here.telling, true)
        });
        if begin_telling {
            self.tracker.spawn(Arc::clone(self).tell_of_starts(Arc::clone(provider), limits));
        }
    }

    /// Tells the others until there is nothing new to tell: a crowd of presentations costs a few calls. What could not be
    /// told is forgotten; it is over soon.
    async fn tell_of_starts(self: Arc<Self>, provider: Arc<Provider>, limits: Limits) {
        let name = provider.name();
        let Some(pace) = &self.ports.pace else { return };
        loop {
            let unspent = self.refresher.starts.at(name, |here| {
                here.telling = here.unspent > 0;
                std::mem::take(&mut here.unspent)
            });
            if unspent == 0 {
                return;
            }
            let _ = tokio::time::timeout(ASKING, pace.spend(name, unspent, limits)).await;
        }
    }

    /// Nothing is started at this provider for a while, by nobody.
    pub(super) fn pause_starts(self: &Arc<Self>, provider: &Arc<Provider>, span: Duration) {
        if provider.limits().is_none() || mutant("retry_after_pauses_one_account") {
            return;
        }
        let now = self.now();
        self.refresher.starts.at(provider.name(), |here| here.gate.pause(now + span));
        let (instance, provider) = (Arc::clone(self), Arc::clone(provider));
        self.tracker.spawn(async move {
            if let Some(pace) = &instance.ports.pace {
                let _ = tokio::time::timeout(ASKING, pace.pause(provider.name(), span)).await;
            }
        });
    }
}

/// Half of the hold: whoever waits longer leaves the account to its next turn, before somebody else takes it.
const PATIENCE: Duration = Duration::from_secs(60);
/// What one question may take: as long as a call to Redis.
const ASKING: Duration = Duration::from_millis(500);
/// Between two looks for a free place: exchanges take some hundred milliseconds.
const POLL: Duration = Duration::from_millis(200);
