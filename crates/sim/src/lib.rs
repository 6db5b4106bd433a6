//! Exploration and simulation of Solekey: the protocol under every fault that can be named.
//!
//! [`explore`] walks through every interleaving of small worlds, over the real state machine and the real row.

pub mod explore;
