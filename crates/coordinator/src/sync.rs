//! The locks behind the single flight, named once: `interleavings/` compiles the same file with those of a checker in
//! their place.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
