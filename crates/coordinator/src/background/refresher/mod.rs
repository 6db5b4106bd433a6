//! Refreshes of accounts that nobody asks for, so that the next request finds a good token.
//!
//! A round per provider: it takes as many accounts as may be started, which the store pushes forward so that no other
//! replica takes them; reads what each needs; and where that is a presentation waits for a start, which the fleet shares,
//! and sends the account through the ordinary owner path. What is taken and not finished, because the process ended or
//! was delayed, is due again after the visibility timeout. Nothing here decides whether a refresh token may be presented.

mod failures;
mod index;
mod jitter;
mod job;
mod round;
mod starts;
mod state;

use std::{sync::Arc, time::Duration};

use solekey_core::Limits;

pub(super) use self::state::Refresher;
use self::{index::run_index, round::Round};
use crate::{flight::Engine, provider::Provider};

/// The tasks that refresh what nobody asks for: a round per provider, and the walk over all rows where one is needed.
pub(super) struct RefreshTask {
    pub(super) engine: Arc<Engine>,
    pub(super) refresher: Arc<Refresher>,
}

impl RefreshTask {
    /// Spawns the rounds and the walk.
    pub(super) fn start(self) {
        let process = &self.engine.process;
        self.refresher.set_running();
        process.tasks.tracker.spawn(run_index(Arc::clone(process)));
        let mut providers: Vec<_> = process.providers.iter().cloned().collect();
        // In their order, so that a simulation can be repeated.
        providers.sort_by(|one, other| one.name().cmp(other.name()));
        for provider in providers {
            if let Some(limits) = provider.limits() {
                let (engine, refresher) = (Arc::clone(&self.engine), Arc::clone(&self.refresher));
                process.tasks.tracker.spawn(keep_rounds(engine, refresher, provider, limits));
            }
        }
    }
}

/// Restarts a round that panics: the accounts it had taken are due after their visibility timeout.
async fn keep_rounds(
    engine: Arc<Engine>,
    refresher: Arc<Refresher>,
    provider: Arc<Provider>,
    limits: Limits,
) {
    loop {
        let round = Round::new(Arc::clone(&engine), Arc::clone(&refresher), Arc::clone(&provider), limits);
        let Err(panic) = tokio::spawn(round.run()).await else { return };
        tracing::error!(
            provider = provider.name(),
            error = &panic as &dyn std::error::Error,
            "the background of a provider panicked; it restarts in 60 s"
        );
        let restart = tokio::time::sleep(RESTART);
        if engine.process.tasks.draining.run_until_cancelled(restart).await.is_none() {
            return;
        }
    }
}

/// Long enough that a panic with every round is no load.
const RESTART: Duration = Duration::from_secs(60);
