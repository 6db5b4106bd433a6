//! Changes, as the program that uses the library sees them.

use solekey_core::{AccountKey, Generation};
use tokio::sync::broadcast::{self, error::RecvError};

/// Something about an account changed, anywhere in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// A token, a verdict, a login or a delete of this account was published.
    Account {
        /// The [key](solekey_core::Account::key) of the account.
        key: AccountKey,
        /// The generation published.
        generation: Generation,
    },
    /// Changes may have been missed: the subscriber was slow, or Redis was away. Read what you care about again.
    Missed,
}

/// A subscription; see [`Solekey::subscribe`](crate::Solekey::subscribe).
#[derive(Debug)]
pub struct Changes(broadcast::Receiver<Change>);

impl Changes {
    /// The next change; `None` once the instance has stopped.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Lagged(_)) => Some(Change::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Sends changes to all subscribers.
#[derive(Debug)]
pub(super) struct ChangeSender(broadcast::Sender<Change>);

impl ChangeSender {
    pub(super) fn send(&self, change: Change) {
        // Nobody listening is no error.
        let _ = self.0.send(change);
    }

    pub(super) fn subscribe(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

impl Default for ChangeSender {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

/// Changes kept for the slowest subscriber.
const BACKLOG: usize = 1024;
