//! What processes tell each other.

use async_trait::async_trait;

use super::Trouble;
use crate::{AccountKey, Generation};

/// A way to tell other processes that an account has changed, for where the shelf's own news are not to be had.
///
/// Everything told is a hint where to look: one that is lost costs whoever waits a poll.
#[async_trait]
pub trait News: Send + Sync + 'static {
    /// Tells the others that something about this account is now of this generation. Nobody need be listening.
    async fn tell(&self, key: AccountKey, generation: Generation) -> Result<(), Trouble>;

    /// Starts listening for what others tell; what this very instance of the port tells is not heard back. Returns once
    /// a message told from now on would be heard, or could only be missed together with a [`Heard::Gap`].
    async fn listen(&self) -> Box<dyn Listen>;
}

/// A subscription to the news.
#[async_trait]
pub trait Listen: Send {
    /// The next thing heard; `None` when there will be none for good.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Option<Heard>;
}

/// What a listener hears.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Heard {
    /// Something about this account changed: a hint where to look.
    Changed {
        /// The account.
        key: AccountKey,
        /// The generation told of.
        generation: Generation,
    },
    /// Messages may have been missed: look at everything.
    Gap,
}
