//! Test your gateway with Solekey: a strict authorization server, server fixtures, a fault proxy.
//!
//! Fakes that say yes prove nothing about refresh tokens. Those here rotate, notice what comes back, revoke families, lose
//! answers, and count what should never have happened:
//!
//! ```
//! use solekey_testkit::provider::{AuthorizationServer, Replay};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = AuthorizationServer::start(Replay::StrictFamily).await?;
//! let pair = server.grant("alice");
//!
//! // Two replicas that share nothing present the same refresh token. Point your gateway there instead.
//! let http = reqwest::Client::builder().no_proxy().build()?;
//! let refresh = || {
//!     let form = [("grant_type", "refresh_token"), ("refresh_token", &pair.refresh_token)];
//!     http.post(server.token_url()).form(&form).send()
//! };
//! assert_eq!(refresh().await?.status(), 200);
//! assert_eq!(refresh().await?.status(), 400);
//!
//! // The referee saw it, and the person behind the account has to log in again.
//! assert_eq!(server.double_presentations(), 1);
//! assert_eq!(server.burned_accounts(), ["alice"]);
//! assert!(!server.is_valid(&server.newest("alice").ok_or("no grant")?.access_token));
//! # Ok(())
//! # }
//! ```
//!
//! # What is here
//!
//! - [`provider`]: an OAuth token endpoint over real HTTP that rotates refresh tokens, notices when a spent one comes
//!   back, revokes families, misbehaves on command, and counts every presentation that should not have been made.
//! - [`memory`]: the ports of Solekey in memory, with switches for everything that can go wrong. A coordinator over them
//!   needs no server.
//! - [`redis`]: Redis and Valkey servers that can be paused, killed and restarted.
//! - [`postgres`]: PostgreSQL servers that can be killed and restarted.
//! - [`proxy`]: a TCP proxy that swallows, loses, holds, delays, cuts and refuses.
//!
//! Whoever writes an adapter for one of the ports tests it with `solekey-conformance`, which stands on this crate.
//!
//! The examples of the repository put a coordinator over these: `cargo run -p solekey-examples --bin in_memory`.
//!
//! # What is not promised
//!
//! Everything stops when it is dropped, and nothing waits for ever except where its documentation says so. The parts in
//! memory forget with their process: they are for tests and not a store. The authorization server knows the refresh
//! grant, and no login form, no code and no consent.

pub mod memory;
mod ports;
pub mod postgres;
mod process;
pub mod provider;
pub mod proxy;
pub mod redis;
#[doc(hidden)]
pub mod wait;
