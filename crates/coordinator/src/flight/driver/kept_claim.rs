//! A claim whose store may forget it while its request is under way.

use std::{convert::Infallible, future::Future, time::Duration};

use solekey_core::{
    Account, Claim, Moment, mutant,
    ports::{Store, StoreError},
};

use crate::process::Process;

/// A claim, as it was sent.
#[derive(Clone, Copy)]
pub(super) struct KeptClaim {
    pub(super) claim: Claim,
    pub(super) at: Moment,
    /// Those that the store had seen by then.
    pub(super) restarts: u64,
}

impl KeptClaim {
    /// Carries out `work`, and repeats the claim whenever the store has restarted meanwhile: others wait a moment for that
    /// before they claim.
    pub(super) async fn during<T>(
        self,
        process: &Process,
        account: &Account,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.keep(process, account), if !mutant("claim_is_not_repeated_after_a_restart") => match never {},
        }
    }

    async fn keep(mut self, process: &Process, account: &Account) -> Infallible {
        loop {
            let store = process.store();
            store.restarted(self.restarts).await;
            self.restarts = store.restarts();
            self.repeat(process, store, account).await;
        }
    }

    async fn repeat(&self, process: &Process, store: &dyn Store, account: &Account) {
        for _ in 0..TRIES {
            // It was to be made in time; it has been, and is to be there again now.
            let not_after = self.claim.not_after + process.now().since(self.at);
            match store.repeat_claim(account, &Claim { not_after, ..self.claim }).await {
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(PAUSE).await,
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(account = %account.key(), %error, "a claim that the store forgot is not made again");
                    return;
                }
            }
        }
    }
}

/// Together at least as long as others wait.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);
