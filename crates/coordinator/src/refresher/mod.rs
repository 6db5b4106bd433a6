//! Refreshes of accounts that nobody asks for, so that the next request finds a good token.
//!
//! A round per provider: it takes as many accounts as may be started, which the store pushes forward so that no other
//! replica takes them; looks what each needs; and where that is a presentation waits for a start, which the fleet shares,
//! and sends the account through the ordinary owner path. What is taken and not finished, because the process ended or
//! was held up, is due again after the hold. Nothing here decides whether a refresh token may be presented.

pub(crate) mod index;
mod round;
mod setbacks;
mod starts;
mod tending;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use solekey_core::{Moment, Outcome};

use self::{round::Round, setbacks::Setbacks, starts::Starts};
use crate::{instance::Instance, provider::Provider};

pub use self::tending::Tended;

/// What this process knows of the starts that it and the others make.
#[derive(Debug, Default)]
pub(crate) struct Refresher {
    starts: Starts,
    setbacks: Setbacks,
    running: AtomicBool,
}

impl Instance {
    /// Begins a round at each provider, and the walk over all rows where one is needed.
    pub(crate) fn start_refresher(self: &Arc<Self>) {
        self.refresher.running.store(true, Relaxed);
        self.tracker.spawn(Arc::clone(self).keep_index());
        let mut providers: Vec<_> = self.providers.iter().cloned().collect();
        // In their order, so that a simulation can be repeated.
        providers.sort_by(|one, other| one.name().cmp(other.name()));
        for provider in providers {
            if provider.limits().is_some() {
                self.tracker.spawn(Arc::clone(self).go_round(provider));
            }
        }
    }

    /// A round that panics is begun anew: the accounts it had taken are due after their hold.
    async fn go_round(self: Arc<Self>, provider: Arc<Provider>) {
        let Some(limits) = provider.limits() else { return };
        loop {
            let round = Round::new(Arc::clone(&self), Arc::clone(&provider), limits);
            let Err(panic) = tokio::spawn(round.run()).await else { return };
            tracing::error!(
                provider = provider.name(),
                error = &panic as &dyn std::error::Error,
                "begun anew"
            );
            let restart = tokio::time::sleep(RESTART);
            if self.draining().run_until_cancelled(restart).await.is_none() {
                return;
            }
        }
    }

    /// Told of every presentation before it is made.
    pub(crate) fn note_presentation(
        self: &Arc<Self>,
        account: &solekey_core::Account,
        provider: &Arc<Provider>,
    ) {
        if !self.refresher.starts.take_grant(account.key()) {
            self.spend_start(provider);
        }
    }

    /// Told of every presentation once its outcome is known.
    pub(crate) fn note_outcome(
        self: &Arc<Self>,
        account: &solekey_core::Account,
        provider: &Arc<Provider>,
        outcome: Outcome<()>,
    ) {
        if self.refresher.running.load(Relaxed) {
            self.refresher.setbacks.learn(provider.name(), account.key(), outcome, self.now());
        }
        if let Outcome::Refused { retry_after: Some(span), .. } = outcome {
            self.pause_starts(provider, span);
        }
    }

    /// Until when nothing is started at this provider, as far as this process knows.
    fn held_up(&self, provider: &Provider, now: Moment) -> Option<Moment> {
        let paused = self.refresher.starts.paused(provider.name(), now);
        paused.max(self.refresher.setbacks.hold(provider.name(), now))
    }
}

/// A random part of this span, at most the whole of it.
fn part_of(span: Duration) -> Duration {
    span * u32::from(fastrand::u16(0..1000)) / 1000
}

/// Long enough that a panic with every round is no load.
const RESTART: Duration = Duration::from_secs(60);
