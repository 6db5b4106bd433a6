//! The binary as people run it.
#![allow(clippy::unwrap_used)]

mod account;
mod config;
mod imports;
mod process;
mod serve;
