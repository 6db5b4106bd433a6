//! The events that replicas report.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use solekey::{Event, Observer};

/// Counts the events that replicas of this process report.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    committed: AtomicU64,
    recovered: AtomicU64,
}

impl Seen {
    /// Pairs committed by whoever had presented for them.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Relaxed)
    }

    /// Pairs that somebody else found among the answers and committed.
    pub(crate) fn recovered(&self) -> u64 {
        self.recovered.load(Relaxed)
    }
}

impl Observer for Seen {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Committed { .. } => self.committed.fetch_add(1, Relaxed),
            Event::Recovered { .. } => self.recovered.fetch_add(1, Relaxed),
            _ => 0,
        };
    }
}
