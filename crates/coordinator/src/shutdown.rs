//! Ending an instance.

use std::time::Duration;

use solekey_core::{Account, mutant};

use crate::{flight::Engine, solekey::Solekey};

/// The result of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Refreshes still under way: their accounts are in doubt, and the other replicas resolve that.
    pub in_doubt: usize,
}

impl Solekey {
    /// Lets nothing new be claimed from now on. Tokens in memory are still served.
    pub fn start_draining(&self) {
        self.engine.process.tasks.draining.cancel();
    }

    /// Waits until no refresh of this account is under way in this process: what it brought is written down and
    /// published by then, as far as that is possible. After [`start_draining`](Self::start_draining) no other follows
    /// that presents anything.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub async fn until_idle(&self, account: &Account) {
        let Engine { flights, readings, .. } = &*self.engine;
        while let Some(flight) = flights.under_way(account.key()) {
            flight.finished().await;
        }
        readings.over(account.key()).await;
    }

    /// Claims nothing more, ends what was not sent, and waits for what was sent: at most `deadline`, and never longer
    /// than answers are read at the slowest provider, and 5 s. [`DEFAULT_DRAIN`] fits the usual 30 s of grace.
    ///
    /// # Cancel safety
    /// Dropped midway, what is under way goes on; call it again to wait.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        let Engine { process, flights, readings, .. } = &*self.engine;
        process.tasks.stop();
        process.tasks.tracker.close();
        let slowest = process.providers.iter().map(|provider| provider.policy().read_limit()).max();
        let bound = deadline.min(slowest.unwrap_or_default() + RECORDING);
        let bound = if mutant("shutdown_waits_for_nobody") { Duration::ZERO } else { bound };
        let ended = tokio::time::timeout(bound, process.tasks.tracker.wait()).await.is_ok();
        let in_doubt = if ended { 0 } else { flights.len() + readings.len() };
        if in_doubt > 0 {
            tracing::warn!(
                in_doubt,
                "shutdown ended with refreshes under way; other replicas resolve them as doubts"
            );
        }
        for closer in &process.ports.closers {
            closer.close().await;
        }
        Shutdown { in_doubt }
    }
}

/// Below the 30 s after which most supervisors kill.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(24);
/// For writing down what came back.
const RECORDING: Duration = Duration::from_secs(5);
