//! Test your gateway with Solekey: a strict authorization server, server fixtures, a fault proxy.
//!
//! - [`provider`]: an OAuth token endpoint over real HTTP that rotates refresh tokens, notices when a spent one comes
//!   back, revokes families, misbehaves on command, and counts every presentation that should not have been made.
//! - [`redis`]: Redis and Valkey servers that can be paused, killed and restarted.
//! - [`postgres`]: PostgreSQL servers that can be killed and restarted.
//! - [`model`]: adapters beside the ports in memory, asked the same at random.
//! - [`proxy`]: a TCP proxy that swallows, loses, holds, delays, cuts and refuses.
//!
//! Everything stops when it is dropped, and nothing waits for ever except where its documentation says so.

pub mod conformance;
pub mod memory;
pub mod model;
mod ports;
pub mod postgres;
mod process;
pub mod provider;
pub mod proxy;
pub mod redis;
