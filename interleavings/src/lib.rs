//! The parts of one process that share memory, compiled with the locks, counters and tasks of [shuttle], which decides
//! at each of them who goes on. The files are those of the product; what stands here takes the place of what they use.
//!
//! A channel of tokio is one step to the scheduler. That loses nothing: how a channel works inside is tokio's to show.
//!
//! [shuttle]: https://docs.rs/shuttle

#![cfg(test)]

// What the product calls `tokio` is `sync` and `task` below.
extern crate self as tokio;

// The files are read with the eyes of their own crates; here most of what they offer is not asked for.
#[allow(dead_code)]
#[path = "../../crates/cache/src/absence.rs"]
mod absence;
#[allow(dead_code)]
#[path = "../../crates/cache/src/entry.rs"]
mod entry;
#[allow(dead_code)]
#[path = "../../crates/cache/src/process.rs"]
mod process_cache;
#[allow(dead_code)]
#[path = "../../crates/cache/src/wait.rs"]
mod wait;

mod engine;
mod explore;
mod flight;
mod process;
pub mod sync;
pub mod task;

pub use absence::{Absence, BELIEVE_ABSENCE};
pub use entry::{Entry, ReadStart, Times};
pub use process_cache::{CONFIRM_EVERY, DEFAULT_CAPACITY, ProcessCache};
pub use wait::{WaitMap, Waiting, Wake};

mod tests;
