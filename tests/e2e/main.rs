//! End to end: several replicas, several processes, real servers, a strict provider as the referee.
//!
//! A [`fleet`](fleet::Fleet) is a handful of replicas in this process; a [`victim`](victim::Victim) is one in a process of its own that stops at
//! a point and is killed there; a [`sidecar`](sidecar::Sidecar) is a `solekey serve` process.
//! A [`site`](dot::Site) is an authorization server that nobody here wrote.

#![allow(clippy::unwrap_used)]

mod atproto;
mod background;
mod binary;
mod blueprint;
mod crowd;
mod database;
mod demo;
mod dot;
mod drained;
mod dropped;
mod fleet;
mod imports;
mod killed;
mod late;
mod load;
mod metrics;
mod misconfigured;
mod odd;
mod outages;
mod outlived;
mod postgres;
mod replaced;
mod resealed;
mod rivals;
mod secrets;
mod seen;
mod sidecar;
mod stalled;
mod stops;
mod traces;
mod victim;
mod wait;
