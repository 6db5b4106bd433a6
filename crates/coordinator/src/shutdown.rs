//! Ending an instance.

use std::time::Duration;

use solekey_core::mutant;

use crate::solekey::Solekey;

/// What was left when the deadline came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Refreshes still under way: their accounts are in doubt, and the other replicas resolve that.
    pub in_doubt: usize,
}

impl Solekey {
    /// Lets nothing new be claimed from now on. Tokens in memory are still served.
    pub fn start_draining(&self) {
        self.instance.start_draining();
    }

    /// Claims nothing more, ends what was not sent, and waits for what was sent: at most `deadline`, and never longer
    /// than the slowest provider's exchange timeout and 5 s. [`DEFAULT_DRAIN`] fits the usual 30 s of grace.
    ///
    /// # Cancel safety
    /// Dropped midway, what is under way goes on; call it again to wait.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        let instance = &self.instance;
        instance.stop();
        instance.tracker.close();
        let slowest = instance.providers.iter().map(|provider| provider.policy().exchange_timeout()).max();
        let bound = deadline.min(slowest.unwrap_or_default() + RECORDING);
        let bound = if mutant("shutdown_waits_for_nobody") { Duration::ZERO } else { bound };
        let ended = tokio::time::timeout(bound, instance.tracker.wait()).await.is_ok();
        let in_doubt = if ended { 0 } else { instance.flights.len() };
        if in_doubt > 0 {
            tracing::warn!(in_doubt, "stopped with refreshes under way; other replicas resolve them");
        }
        for closer in &instance.ports.closers {
            closer.close().await;
        }
        Shutdown { in_doubt }
    }
}

/// Below the 30 s after which most supervisors kill.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(24);
/// For writing down what came back.
const RECORDING: Duration = Duration::from_secs(5);
