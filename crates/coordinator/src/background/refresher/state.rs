//! The state of the background refresh, shared by its rounds and by every flight.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use solekey_core::{Account, Moment, Outcome};

use super::{failures::FailureStreaks, starts::Starts};
use crate::{process::Process, provider::Provider};

/// The state of the background refresh of this process.
pub(crate) struct Refresher {
    pub(super) process: Arc<Process>,
    pub(super) starts: Starts,
    pub(super) failures: FailureStreaks,
    running: AtomicBool,
}

impl Refresher {
    pub(crate) fn new(process: Arc<Process>) -> Self {
        Self {
            process,
            starts: Starts::default(),
            failures: FailureStreaks::default(),
            running: AtomicBool::default(),
        }
    }

    /// Counts failures from now on: the rounds run.
    pub(super) fn set_running(&self) {
        self.running.store(true, Relaxed);
    }

    /// Notes a presentation before it is made.
    pub(crate) fn presenting(self: &Arc<Self>, account: &Account, provider: &Arc<Provider>) {
        if !self.starts.take_grant(account.key()) {
            self.record_start(provider);
        }
    }

    /// Notes the outcome of a presentation.
    pub(crate) fn presented(
        self: &Arc<Self>,
        account: &Account,
        provider: &Arc<Provider>,
        outcome: Outcome<()>,
    ) {
        if self.running.load(Relaxed) {
            self.failures.learn(provider.name(), account.key(), outcome, self.process.now());
        }
        if let Outcome::Refused { retry_after: Some(span), .. } = outcome {
            self.pause_starts(provider, span);
        }
    }

    /// The instant until which nothing is started at this provider, as far as this process knows.
    pub(super) fn paused_until(&self, provider: &Provider, now: Moment) -> Option<Moment> {
        let paused = self.starts.paused(provider.name(), now);
        let unread = self.process.unread.hold(provider, now).map(|(until, _)| until);
        paused.max(self.failures.pause(provider.name(), now)).max(unread)
    }
}
