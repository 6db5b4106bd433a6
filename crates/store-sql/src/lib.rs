//! Durable account rows of Solekey in SQL databases.
//!
//! [`SqliteStore`] keeps them in one SQLite file that all processes of one host share. It is the store of an embedded
//! gateway:
//!
//! ```no_run
//! # async fn example() -> Result<(), solekey_store_sql::OpenError> {
//! let store = solekey_store_sql::SqliteStore::open("solekey.db").await?;
//! # store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`PostgresStore`] keeps them in a PostgreSQL database that all replicas share, in a schema of its own;
//! [`PostgresNews`] tells processes that share one where to look, for where there is no Redis to do it.
//!
//! Every change reads the row, applies the function of the same name on [`Row`](solekey_core::Row) and writes it back
//! on the condition that nobody wrote it meanwhile, so the database adds durability and order, and no meaning.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod change;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod cursor;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::{PostgresError, PostgresNews, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteStore};
