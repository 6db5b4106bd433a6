//! Every interleaving of small worlds, over the real machine and the real row.
//!
//! Two processes, each with at most one flight, a store, a place of answers and a token endpoint. A step is one atomic
//! action of one actor; see [`action::Action`]. There is no shelf and no lease: any process may enter the owner path at
//! any time, which covers every way of losing, missing or splitting a lease. Time passes in seconds, bounded by what
//! promise 1 assumes: a request is sent while it fits its attempt and arrives before its timeout, and a process that
//! has read an answer and can write it has written it before the attempt's `until`.
//!
//! From every state, or a stated share of them, a healed run has to end well.

mod action;
mod checks;
mod effect;
mod hash;
mod heal;
mod provider;
mod scene;
mod search;
mod worker;
mod world;
mod worlds;
