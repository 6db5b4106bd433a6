//! The three parts of the cache, the shared one against a real Redis.
#![allow(clippy::unwrap_used)]

mod change_feed;
mod conformance;
mod fixture;
mod lives;
mod model;
mod process;
mod shared_cache;
mod waits;
