//! The binary as people run it.
#![allow(clippy::unwrap_used)]

mod account;
mod process;
mod serve;
