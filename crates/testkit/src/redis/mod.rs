//! Real Redis or Valkey servers for tests.
//!
//! Tests that only read and write share one server under random prefixes: [`redis_for_tests`]. Tests that flush,
//! pause, kill or restart start a [`RedisServer`] of their own:
//!
//! ```
//! # async fn example() -> Result<(), solekey_testkit::redis::FixtureError> {
//! use solekey_testkit::redis::{Data, RedisServer};
//!
//! let mut redis = RedisServer::builder().append_only().start().await?;
//! redis.pause()?; // half-open connections
//! redis.resume()?;
//! redis.kill9(); // connection refused
//! redis.restart(Data::Kept).await?; // same port
//! redis.flush_all().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The binary comes from `SOLEKEY_REDIS_BIN`, from `PATH`, or from [`server_cache`]; where there is none the error says
//! how to get one. Unix only.

mod binary;
mod error;
mod line;
mod resp;
mod server;
mod shared;

#[doc(hidden)] // For the demo, which takes no server that a test run has fetched.
pub use binary::find_server_on_path;
pub use binary::{find_server, server_cache};
pub use error::FixtureError;
#[doc(hidden)] // For the comparison of adapters, which administrates a server thousands of times.
pub use line::Line;
pub use resp::Resp;
pub use server::{ClientKind, Data, RedisServer, RedisServerBuilder};
pub use shared::{SharedRedis, redis_for_tests};
