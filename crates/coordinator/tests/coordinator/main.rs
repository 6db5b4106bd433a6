//! The coordinator over ports in memory, in virtual time.

#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod callers;
mod doubts;
mod dropped;
mod fixture;
mod late;
mod outages;
mod rejections;
mod secrets;
mod shutdown;
