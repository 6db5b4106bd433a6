//! Telling the program what changes.

use solekey_core::{AccountKey, Generation};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::solekey::Solekey;

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
    /// Changes may have been missed: the subscriber was slow, or Redis was away. Look at what you care about.
    Missed,
}

/// A subscription; see [`Solekey::subscribe`].
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

impl Solekey {
    /// Subscribes to changes from now on. A hint where to look, not a log: of a slow subscriber's backlog only
    /// [`Change::Missed`] remains. Without Redis only what this process does itself is told.
    pub fn subscribe(&self) -> Changes {
        Changes(self.instance.changes.subscribe())
    }
}

/// Tells all subscribers.
#[derive(Debug)]
pub(crate) struct Announcer(broadcast::Sender<Change>);

impl Announcer {
    pub(crate) fn announce(&self, change: Change) {
        // Nobody listening is no error.
        let _ = self.0.send(change);
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}

impl Default for Announcer {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

/// Changes kept for the slowest subscriber.
const BACKLOG: usize = 1024;
