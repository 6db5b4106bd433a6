//! Reports of flights to the background.

use std::sync::Arc;

use async_trait::async_trait;
use solekey_core::{Account, Generation, Outcome, flight::Recheck};

use crate::provider::Provider;

/// Hears of every flight of this process. Its methods cost a flight no IO.
#[async_trait]
pub(crate) trait FlightListener: Send + Sync {
    /// Called before every presentation.
    fn presenting(&self, account: &Account, provider: &Arc<Provider>);

    /// Called after every presentation, with its outcome.
    fn presented(&self, account: &Account, provider: &Arc<Provider>, outcome: Outcome<()>);

    /// Called at the end of every flight, with what is to be done about the account's doubt.
    fn ended(&self, account: &Account, recheck: Recheck);

    /// Called once everything that a flight committed is published and delivered.
    ///
    /// # Cancel safety
    /// It does not wait for anything.
    async fn committed(&self, account: &Account, generation: Generation);
}
