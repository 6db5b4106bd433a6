//! Locks and counters at which the checker may go on with somebody else.

pub use std::sync::PoisonError;

pub use shuttle::sync::{Arc, Mutex, MutexGuard, atomic};
pub use tokio_as_it_is::sync::{Notify, watch};
