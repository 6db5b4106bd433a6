//! Real PostgreSQL servers for tests.
//!
//! Tests share one server, each in a database of its own that it creates: [`postgres_for_tests`]. Tests that kill or
//! restart start a [`PostgresServer`] of their own:
//!
//! ```no_run
//! # async fn example() -> Result<(), solekey_testkit::postgres::PostgresFixtureError> {
//! use solekey_testkit::postgres::PostgresServer;
//!
//! let mut postgres = PostgresServer::start().await?;
//! postgres.kill9(); // connection refused
//! postgres.restart().await?; // same port, what was acknowledged is there
//! # Ok(())
//! # }
//! ```
//!
//! Without `DATABASE_URL` the binaries are those of `SOLEKEY_POSTGRES_BIN`, of `PATH`, or of Debian's packages; where
//! there are none the error says how to get some. They refuse to run as root: a test run as root starts them as the
//! user `postgres` or `nobody`. Unix only.

mod binaries;
mod error;
mod server;
mod shared;
mod startup;
mod user;

pub use binaries::find_binaries;
pub use error::PostgresFixtureError;
pub use server::PostgresServer;
#[doc(hidden)] // For test runs of this repository.
pub use shared::is_waived;
pub use shared::{SharedPostgres, postgres_for_tests};
