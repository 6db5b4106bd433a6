//! A change feed in memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use solekey_core::{
    AccountKey, Generation,
    ports::{ChangeFeed, Heard, Listen, Trouble},
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::Faults;

/// A change feed in memory. Each [`of_another`](Self::of_another) is another replica's end of it.
#[derive(Debug)]
pub struct MemoryChangeFeed {
    me: u64,
    all: Arc<All>,
}

#[derive(Debug)]
struct All {
    faults: Faults,
    /// The sending replica, and the message; a gap is sent by `NOBODY`.
    sent: broadcast::Sender<(u64, Heard)>,
    replicas: AtomicU64,
}

/// The number of messages that a listener may lag behind before it hears of a gap instead.
const BACKLOG: usize = 256;
const NOBODY: u64 = 0;

impl MemoryChangeFeed {
    /// Creates a change feed with one end.
    pub fn new() -> Self {
        let (sent, _) = broadcast::channel(BACKLOG);
        let all = All { faults: Faults::default(), sent, replicas: AtomicU64::new(NOBODY + 1) };
        Self { me: NOBODY + 1, all: Arc::new(all) }
    }

    /// Returns another replica's end.
    pub fn of_another(&self) -> Self {
        Self { me: self.all.replicas.fetch_add(1, Relaxed) + 1, all: Arc::clone(&self.all) }
    }

    /// Returns the switches for faults, which all ends share.
    pub fn faults(&self) -> &Faults {
        &self.all.faults
    }

    /// Makes listeners hear of a gap, as if they had missed messages.
    pub fn gap(&self) {
        self.say(NOBODY, Heard::Gap);
    }

    /// Sends to the listeners; without any, there is nothing to do.
    fn say(&self, who: u64, heard: Heard) {
        let _ = self.all.sent.send((who, heard));
    }
}

impl Default for MemoryChangeFeed {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl ChangeFeed for MemoryChangeFeed {
    async fn notify(&self, key: AccountKey, generation: Generation) -> Result<(), Trouble> {
        self.all.faults.meet("notify", || self.say(self.me, Heard::Changed { key, generation })).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(Listener { me: self.me, sent: self.all.sent.subscribe() })
    }
}

/// A subscription; dropping it ends it.
#[derive(Debug)]
struct Listener {
    me: u64,
    sent: broadcast::Receiver<(u64, Heard)>,
}

#[async_trait]
impl Listen for Listener {
    async fn next(&mut self) -> Option<Heard> {
        loop {
            match self.sent.recv().await {
                Ok((who, _)) if who == self.me => {}
                Ok((_, heard)) => return Some(heard),
                Err(RecvError::Lagged(_)) => return Some(Heard::Gap),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
