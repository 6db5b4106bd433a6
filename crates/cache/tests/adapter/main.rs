//! The three parts of the cache, the shared one against a real Redis.
#![allow(clippy::unwrap_used)]

mod conformance;
mod fixture;
mod model;
mod news;
mod process;
mod shelf;
mod waits;
