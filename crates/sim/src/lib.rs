//! Exploration and simulation of Solekey: the protocol under every fault that can be named.
//!
//! [`explore`] walks through every interleaving of small worlds, over the real state machine and the real row.
//!
//! [`fleet`] runs the real coordinator, and through it the real machine, over ports that a seed makes misbehave. A seed is
//! a fleet, a provider, what goes wrong and when; virtual time makes hours cost milliseconds. What happened is written
//! into one history, and the [`invariants`] are functions over it.

pub mod explore;
pub mod fleet;
pub mod invariants;
