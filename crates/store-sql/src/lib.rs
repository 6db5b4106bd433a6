//! Durable account rows of Solekey in SQL databases.
//!
//! [`SqliteStore`] keeps them in one SQLite file that all processes of one host share. It is the store of an embedded
//! gateway:
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use solekey_core::{Account, ports::Store};
//! use solekey_store_sql::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = SqliteStore::open(folder.path().join("solekey.db")).await?;
//!
//! let loaded = store.load(&Account::new("acme", "alice")?).await?;
//! assert!(loaded.record.is_none()); // nobody logged in
//!
//! // Another process of this host opens the same file, and finds that it is the same store.
//! let other = SqliteStore::open(folder.path().join("solekey.db")).await?;
//! assert_eq!(store.identity().await?.id, other.identity().await?.id);
//! # other.close().await;
//! # store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`SqliteChangeFeed`] notifies the processes that have the file open of changed accounts, within 100 ms.
//!
//! [`PostgresStore`] keeps them in a PostgreSQL database that all replicas share, in a schema of its own;
//! [`PostgresChangeFeed`] notifies processes that share one of changed accounts, for where there is no Redis to do it.
//! [`PostgresReadOnly`] reads the condition of a server: its fitness as a store.
//!
//! Every change reads the row, applies the function of the same name on [`Row`](solekey_core::Row) and writes it back
//! on the condition that nobody wrote it meanwhile, so the database adds durability and order, and no meaning.
//!
//! # What is not promised
//!
//! A file on a network drive is not one file: SQLite is for the processes of one host, on a disk of it. A PostgreSQL
//! that fails over to a standby which had not heard of a change yet forgets it; answers kept elsewhere bring back the
//! newest pair.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod change;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod cursor;
#[cfg(all(test, feature = "postgres"))]
mod laws;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::{
    PostgresChangeFeed, PostgresCondition, PostgresError, PostgresProtection, PostgresReadOnly, PostgresStore,
};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteChangeFeed, SqliteStore};
