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
//! Every change is one transaction that reads the row, applies the function of the same name on
//! [`Row`](solekey_core::Row) and writes it back, so the database adds durability and order, and no meaning.

#[cfg(feature = "sqlite")]
mod cursor;
#[cfg(feature = "sqlite")]
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteStore};
