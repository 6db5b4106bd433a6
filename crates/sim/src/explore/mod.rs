//! Every interleaving of small worlds, over the real machine and the real row.
//!
//! A few processes, each with at most one flight, a store, a location of answers and a token endpoint. A step is one
//! atomic action of one actor; see `action.rs`. There is no shared cache, and mostly no lease: any process may enter
//! the owner path at any time, which covers every way of losing, missing or splitting a lease. Time passes in seconds,
//! for ever, bounded by what promise 1 assumes: a request is sent while it fits its attempt and arrives before its
//! timeout, and a process that has read an answer and can write it has written it before the attempt's `until`. Whoever
//! is on an island and cannot is not covered: then only verdicts are checked.
//!
//! Worlds that behave alike are one (see `canon.rs`), so that there is an end of them although time has none.
//!
//! From every state, or a stated share of them, a healed run has to end well.

mod action;
mod canon;
mod checks;
mod effect;
mod heal;
mod provider;
mod scene;
mod search;
mod shared;
mod tick;
mod worker;
mod world;

pub use provider::Rule;
pub use scene::{Asks, Lease, Scene};
pub use search::explore;
pub use world::Left;
