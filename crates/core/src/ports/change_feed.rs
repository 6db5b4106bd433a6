//! Notifications between processes.

use async_trait::async_trait;

use super::Trouble;
use crate::{AccountKey, Generation};

/// A way to notify other processes that an account has changed, where the shared cache's own notifications cannot be
/// had.
///
/// A notification is a hint that something can be read: one that is lost costs whoever waits a poll.
#[async_trait]
pub trait ChangeFeed: Send + Sync + 'static {
    /// Notifies the others that something about this account is now of this generation. Nobody need be listening.
    async fn notify(&self, key: AccountKey, generation: Generation) -> Result<(), Trouble>;

    /// Starts listening for notifications of others; those of this very instance of the port are not heard back.
    /// Returns once a message sent from now on would be heard, or could only be missed together with a
    /// [`Heard::Gap`].
    async fn listen(&self) -> Box<dyn Listen>;
}

/// A subscription to notifications.
#[async_trait]
pub trait Listen: Send {
    /// The next thing heard; `None` when there will be none for good.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Option<Heard>;
}

/// A message to a listener.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Heard {
    /// Something about this account changed: a hint to read it.
    Changed {
        /// The account.
        key: AccountKey,
        /// The generation in the notification.
        generation: Generation,
    },
    /// Messages may have been missed: everything has to be read again.
    Gap,
}
