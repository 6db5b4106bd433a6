//! News in memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use solekey_core::{
    AccountKey, Generation,
    ports::{Heard, Listen, News, Trouble},
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::Faults;

/// News in memory. Each [`of_another`](Self::of_another) is a replica's end of the same.
#[derive(Debug)]
pub struct MemoryNews {
    me: u64,
    all: Arc<All>,
}

#[derive(Debug)]
struct All {
    faults: Faults,
    /// Who says it, and what; nobody says a gap.
    said: broadcast::Sender<(u64, Heard)>,
    replicas: AtomicU64,
}

/// How many messages a listener may lag behind before it hears of a gap instead.
const BACKLOG: usize = 256;
const NOBODY: u64 = 0;

impl MemoryNews {
    /// News that nobody else has a part in yet.
    pub fn new() -> Self {
        let (said, _) = broadcast::channel(BACKLOG);
        let all = All { faults: Faults::default(), said, replicas: AtomicU64::new(NOBODY + 1) };
        Self { me: NOBODY + 1, all: Arc::new(all) }
    }

    /// Another replica's end.
    pub fn of_another(&self) -> Self {
        Self { me: self.all.replicas.fetch_add(1, Relaxed) + 1, all: Arc::clone(&self.all) }
    }

    /// What goes wrong, for all ends.
    pub fn faults(&self) -> &Faults {
        &self.all.faults
    }

    /// Listeners miss something, and know.
    pub fn gap(&self) {
        self.say(NOBODY, Heard::Gap);
    }

    /// Nobody listening is no reason not to speak.
    fn say(&self, who: u64, heard: Heard) {
        let _ = self.all.said.send((who, heard));
    }
}

impl Default for MemoryNews {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl News for MemoryNews {
    async fn tell(&self, key: AccountKey, generation: Generation) -> Result<(), Trouble> {
        self.all.faults.meet("tell", || self.say(self.me, Heard::Changed { key, generation })).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(Listener { me: self.me, said: self.all.said.subscribe() })
    }
}

/// A subscription; dropping it ends it.
#[derive(Debug)]
struct Listener {
    me: u64,
    said: broadcast::Receiver<(u64, Heard)>,
}

#[async_trait]
impl Listen for Listener {
    async fn next(&mut self) -> Option<Heard> {
        loop {
            match self.said.recv().await {
                Ok((who, _)) if who == self.me => {}
                Ok((_, heard)) => return Some(heard),
                Err(RecvError::Lagged(_)) => return Some(Heard::Gap),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
