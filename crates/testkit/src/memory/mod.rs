//! The ports in memory, with switches for everything that can go wrong.
//!
//! They behave as the real adapters do (the conformance lists run over them) and belong in tests: of the coordinator,
//! and of gateways built on it. A [`MemoryClock`] stands for the server's clock, a [`TestClock`] for the clock of one
//! process; both can follow tokio's time, so that a paused runtime moves them.
//!
//! ```
//! use solekey_testkit::memory::{Fault, MemoryStore};
//!
//! let store = MemoryStore::new();
//! store.faults().fail_next_of("commit", 2, Fault::UnknownAfter);
//! ```

mod answers;
mod cache;
mod change_feed;
mod clock;
mod faults;
mod lease;
mod rate_limiter;
mod store;
mod test_clock;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use answers::MemoryAnswers;
pub use cache::MemoryCache;
pub use change_feed::MemoryChangeFeed;
pub use clock::MemoryClock;
pub use faults::{Fault, Faults};
#[doc(hidden)] // For the comparison with other leases.
pub use lease::LeaseKey;
pub use lease::MemoryLease;
pub use rate_limiter::MemoryRateLimiter;
pub use store::{MemoryStore, Snapshot};
pub use test_clock::TestClock;

/// The state behind the lock. A panic of some test while it held the lock says nothing about the state.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
