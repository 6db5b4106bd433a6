//! The locks and counters behind the process level and the wait map, named once: `interleavings/` compiles the same
//! files with those of a checker in their place.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic};
