//! The starts that the fleet shares.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solekey_core::{
    AccountKey, ClaimId, Limits, Moment, TokenBucket, mutant,
    ports::{Start, StartDelay, StartReply, StartRequest},
};
use uuid::Uuid;

use super::{jitter::part_of, state::Refresher};
use crate::provider::Provider;

/// The starts at each provider, as far as this process knows; it keeps to them where it cannot ask the others.
#[derive(Debug)]
pub(crate) struct Starts {
    who: Uuid,
    starts: Mutex<HashMap<Box<str>, ProviderStarts>>,
    /// Accounts whose next presentation was asked for.
    grants: Mutex<HashSet<AccountKey>>,
}

#[derive(Debug)]
struct ProviderStarts {
    bucket: TokenBucket,
    /// The number of processes, as last reported.
    replicas: u32,
    /// Starts that were not requested, and have not been shared with the others yet.
    unshared: u32,
    sharing: bool,
    /// Those who wait for a start, one after the other: each asks when it is its turn.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Default for ProviderStarts {
    fn default() -> Self {
        let (bucket, turn) = (TokenBucket::default(), Arc::default());
        Self { bucket, replicas: 1, unshared: 0, sharing: false, turn }
    }
}

impl Default for Starts {
    fn default() -> Self {
        Self { who: Uuid::new_v4(), starts: Mutex::default(), grants: Mutex::default() }
    }
}

impl Starts {
    /// The instant until which the provider asked for no requests.
    pub(super) fn paused(&self, provider: &str, now: Moment) -> Option<Moment> {
        self.lock().get(provider)?.bucket.paused(now)
    }

    /// Returns how many of the permits this process may use: together the replicas may wait for somewhat more than there are.
    pub(super) fn share(&self, provider: &str, limits: Limits) -> usize {
        let replicas = self.lock().get(provider).map_or(1, |starts| starts.replicas);
        let replicas = if mutant("everybody_takes_what_all_may_start") { 1 } else { replicas };
        limits.permits().div_ceil(replicas.max(1)) as usize
    }

    pub(super) fn grant(&self, key: AccountKey) {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// Returns, once, whether the account's presentation was requested.
    pub(super) fn take_grant(&self, key: AccountKey) -> bool {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)
    }

    fn turn(&self, provider: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.at(provider, |starts| Arc::clone(&starts.turn))
    }

    fn at<T>(&self, provider: &str, work: impl FnOnce(&mut ProviderStarts) -> T) -> T {
        work(self.lock().entry(provider.into()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, ProviderStarts>> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, provider: &str, reply: StartReply, now: Moment) {
        self.at(provider, |starts| {
            starts.replicas = reply.replicas.max(1);
            if let Start::Later { wait, why: StartDelay::Paused } = reply.start {
                starts.bucket.pause(now, wait);
            }
        });
    }
}

/// The reason why no start was waited for any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GaveUp {
    /// Others were before it for too long.
    Crowded,
    /// The provider wants to be left alone, or nothing comes back from it.
    HeldUp,
    Draining,
}

impl Refresher {
    /// Waits for a start; the place it takes has to be left.
    pub(super) async fn wait_for_start(
        &self,
        provider: &Provider,
        limits: Limits,
    ) -> Result<ClaimId, GaveUp> {
        let permit = ClaimId::new(Uuid::new_v4());
        let waiting = async {
            let turn = self.starts.turn(provider.name());
            let _turn = turn.lock().await;
            self.take_turn(provider, limits, permit).await
        };
        let patient = tokio::time::timeout(PATIENCE, waiting);
        let gave_up = match self.process.tasks.draining.run_until_cancelled(patient).await {
            Some(Ok(Ok(()))) => return Ok(permit),
            Some(Ok(Err(gave_up))) => gave_up,
            Some(Err(_)) => GaveUp::Crowded,
            None => GaveUp::Draining,
        };
        // A question may have been granted whose answer was not waited for.
        self.release_permit(provider, permit).await;
        Err(gave_up)
    }

    async fn take_turn(&self, provider: &Provider, limits: Limits, permit: ClaimId) -> Result<(), GaveUp> {
        loop {
            if self.paused_until(provider, self.process.now()).is_some() {
                return Err(GaveUp::HeldUp);
            }
            match self.request_start(provider, limits, permit).await {
                Start::Granted if self.failures.admit(provider.name(), self.process.now()) => return Ok(()),
                Start::Granted | Start::Later { why: StartDelay::Paused, .. } => return Err(GaveUp::HeldUp),
                Start::Later { wait, why: StartDelay::Rate } => {
                    self.process.sleep_until(self.process.now() + wait).await;
                }
                // A permit is released without a notification.
                Start::Later { wait, why: StartDelay::Permits } => {
                    let poll = wait.min(POLL / 2 + part_of(POLL / 2));
                    self.process.sleep_until(self.process.now() + poll).await;
                }
            }
        }
    }

    async fn request_start(&self, provider: &Provider, limits: Limits, permit: ClaimId) -> Start {
        if mutant("starts_are_not_requested") {
            return Start::Granted;
        }
        let (starts, name) = (&self.starts, provider.name());
        let ttl = provider.policy().span() + provider.policy().lease_ttl();
        let request = StartRequest { who: starts.who, permit, limits, ttl };
        if let Some(limiter) = &self.process.ports.rate_limiter {
            match tokio::time::timeout(ASKING, limiter.request(name, &request)).await {
                Ok(Ok(reply)) => {
                    starts.learn(name, reply, self.process.now());
                    return reply.start;
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
        let now = self.process.now();
        starts.at(name, |starts| starts.bucket.request_alone(now, &request, starts.replicas))
    }

    /// Gives a place back. One that could not be is free after a while.
    pub(super) async fn release_permit(&self, provider: &Provider, permit: ClaimId) {
        self.starts.at(provider.name(), |starts| starts.bucket.release(permit));
        let Some(limiter) = &self.process.ports.rate_limiter else { return };
        let left = tokio::time::timeout(ASKING, limiter.release(provider.name(), permit)).await;
        if let Ok(Err(error)) = &left {
            tracing::debug!(error = error as &dyn std::error::Error, "place left to its end");
        }
    }

    /// A presentation that somebody waits for: it goes ahead, and whoever asks yields.
    pub(super) fn record_start(self: &Arc<Self>, provider: &Arc<Provider>) {
        let Some(limits) = provider.limits().filter(|_| !mutant("requests_record_no_start")) else { return };
        let now = self.process.now();
        let begin_sharing = self.starts.at(provider.name(), |starts| {
            starts.bucket.record(now, 1, limits);
            starts.unshared = starts.unshared.saturating_add(1);
            self.process.ports.rate_limiter.is_some() && !std::mem::replace(&mut starts.sharing, true)
        });
        if begin_sharing {
            self.process.tasks.tracker.spawn(Arc::clone(self).share_starts(Arc::clone(provider), limits));
        }
    }

    /// Shares starts with the others until none is left to share: a crowd of presentations costs a few calls. What could not
    /// be shared is forgotten; it is over soon.
    async fn share_starts(self: Arc<Self>, provider: Arc<Provider>, limits: Limits) {
        let name = provider.name();
        let Some(limiter) = &self.process.ports.rate_limiter else { return };
        loop {
            let unshared = self.starts.at(name, |starts| {
                starts.sharing = starts.unshared > 0;
                std::mem::take(&mut starts.unshared)
            });
            if unshared == 0 {
                return;
            }
            let _ = tokio::time::timeout(ASKING, limiter.record(name, unshared, limits)).await;
        }
    }

    /// Nothing is started at this provider for a while, by nobody.
    pub(super) fn pause_starts(self: &Arc<Self>, provider: &Arc<Provider>, span: Duration) {
        if provider.limits().is_none() || mutant("retry_after_pauses_one_account") {
            return;
        }
        let now = self.process.now();
        self.starts.at(provider.name(), |starts| starts.bucket.pause(now, span));
        let (process, provider) = (Arc::clone(&self.process), Arc::clone(provider));
        self.process.tasks.tracker.spawn(async move {
            if let Some(limiter) = &process.ports.rate_limiter {
                let _ = tokio::time::timeout(ASKING, limiter.pause(provider.name(), span)).await;
            }
        });
    }
}

/// Half of the hold: whoever waits longer leaves the account to its next turn, before somebody else takes it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest time that one request may take: as long as a call to Redis.
const ASKING: Duration = Duration::from_millis(500);
/// The pause between two polls for a free permit: exchanges take some hundred milliseconds.
const POLL: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_micros(1_000_000_000);

    fn reply(replicas: u32, start: Start) -> StartReply {
        StartReply { start, replicas }
    }

    fn request(starts: &Starts, limits: Limits) -> StartRequest {
        let permit = ClaimId::new(Uuid::new_v4());
        StartRequest { who: starts.who, permit, limits, ttl: Duration::from_secs(60) }
    }

    #[test]
    fn a_process_takes_its_share_of_what_all_replicas_may_start() {
        let (starts, limits) = (Starts::default(), Limits::new(10, 8));
        assert_eq!(starts.share("acme", limits), 8, "it knows of nobody else");
        for (replicas, share) in [(2, 4), (3, 3), (8, 1), (100, 1), (0, 8), (1, 8)] {
            starts.learn("acme", reply(replicas, Start::Granted), NOW);
            assert_eq!(starts.share("acme", limits), share, "of {replicas}");
        }
        starts.learn("acme", reply(4, Start::Granted), NOW);
        assert_eq!(starts.share("other", limits), 8, "each provider has its own");
    }

    /// What the others were is the best guess of what they are, while nobody can be asked.
    #[test]
    fn a_process_that_cannot_ask_starts_at_its_share_of_the_rate() {
        let (starts, limits) = (Starts::default(), Limits::new(10, 8));
        starts.learn("acme", reply(4, Start::Granted), NOW);
        let start = |at: Moment| {
            let request = request(&starts, limits);
            starts.at("acme", |known| known.bucket.request_alone(at, &request, known.replicas))
        };
        assert_eq!(start(NOW), Start::Granted);
        let wait = Duration::from_millis(400);
        assert_eq!(start(NOW), Start::Later { wait, why: StartDelay::Rate });
        assert_eq!(start(NOW + wait), Start::Granted);
        assert!(
            matches!(start(NOW + wait * 2), Start::Later { why: StartDelay::Permits, .. }),
            "two of eight"
        );
    }

    #[test]
    fn a_pause_that_others_have_learnt_of_is_kept_here() {
        let starts = Starts::default();
        let wait = Duration::from_secs(30);
        starts.learn("acme", reply(1, Start::Later { wait, why: StartDelay::Paused }), NOW);
        assert_eq!(starts.paused("acme", NOW), Some(NOW + wait));
        assert_eq!(starts.paused("acme", NOW + wait), None);
        assert_eq!(starts.paused("other", NOW), None);
        starts.learn("acme", reply(1, Start::Later { wait: wait * 2, why: StartDelay::Rate }), NOW);
        assert_eq!(starts.paused("acme", NOW), Some(NOW + wait), "a rate is no pause");
    }

    #[test]
    fn what_was_granted_is_granted_once() {
        let (starts, key) =
            (Starts::default(), solekey_core::Account::new("acme", "a").expect("a name").key());
        assert!(!starts.take_grant(key));
        starts.grant(key);
        assert!(starts.take_grant(key) && !starts.take_grant(key));
        assert!(starts.grants.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
    }
}
