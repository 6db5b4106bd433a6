//! Test an adapter of your own for Solekey: a list of cases per port, and models at random.
//!
//! A port of [`solekey_core::ports`] is a trait with a contract that its signatures cannot express. The lists here are
//! that contract in executable form. Every adapter of this repository runs the list of its port against real servers;
//! a store, lease, cache, change feed, rate limiter or answer store of your own runs the same one:
//!
//! ```
//! use std::sync::Arc;
//! # use std::time::Duration;
//!
//! use async_trait::async_trait;
//! use solekey_conformance::store::{self, Foreign, StoreSubject};
//! use solekey_core::{Account, ports::{Loaded, Store, StoreError}};
//! # use solekey_core::{
//! #     Claim, ClaimId, Commit, Login, Sealed, Settle,
//! #     ports::{LoggedIn, Page, StoreIdentity},
//! # };
//! # use solekey_testkit::memory::MemoryStore;
//!
//! /// The adapter under test. This one passes every call to the rows in memory; yours talks to a server.
//! struct MyStore {
//!     rows: MemoryStore,
//! }
//!
//! #[async_trait]
//! impl Store for MyStore {
//!     async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
//!         self.rows.load(account).await
//!     }
//!     // And so on: the port has eleven more methods.
//! #   async fn identity(&self) -> Result<StoreIdentity, StoreError> {
//! #       self.rows.identity().await
//! #   }
//! #   async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
//! #       self.rows.pin(name, value).await
//! #   }
//! #   async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
//! #       self.rows.repin(name, seen, value).await
//! #   }
//! #   async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
//! #       self.rows.claim(account, claim).await
//! #   }
//! #   async fn commit(&self, account: &Account, commit: &Commit, payload: &Sealed) -> Result<Loaded, StoreError> {
//! #       self.rows.commit(account, commit, payload).await
//! #   }
//! #   async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
//! #       self.rows.settle(account, settle).await
//! #   }
//! #   async fn login(&self, account: &Account, login: &Login, payload: &Sealed) -> Result<LoggedIn, StoreError> {
//! #       self.rows.login(account, login, payload).await
//! #   }
//! #   async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
//! #       self.rows.delete(account, id).await
//! #   }
//! #   async fn reseal(&self, account: &Account, made_by: ClaimId, payload: &Sealed) -> Result<Loaded, StoreError> {
//! #       self.rows.reseal(account, made_by, payload).await
//! #   }
//! #   async fn list(&self, provider: Option<&str>, cursor: Option<&str>, limit: usize) -> Result<Page, StoreError> {
//! #       self.rows.list(provider, cursor, limit).await
//! #   }
//! #   async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
//! #       self.rows.due(provider, hold, limit).await
//! #   }
//! }
//!
//! /// Writes a row in the format of another version of Solekey, which the port cannot do: an SQL statement, say.
//! #[async_trait]
//! impl Foreign for MyStore {
//!     async fn set_format(&self, account: &Account, format: u16) {
//!         Foreign::set_format(&self.rows, account, format).await;
//!     }
//! }
//!
//! // In your crate this is a test: #[tokio::test(flavor = "multi_thread")]
//! # #[tokio::main]
//! # async fn main() {
//! let fresh = async || {
//!     let store = Arc::new(MyStore { rows: MemoryStore::new() });
//!     StoreSubject::new(store.clone(), store)
//! };
//! let report = store::run("my store", fresh).await;
//!
//! // A case that fails has panicked with its name. What passed is a table for people.
//! assert_eq!(report.passed.len(), store::CASES.len());
//! println!("{report}");
//! # }
//! ```
//!
//! Each case gets a fresh, empty adapter. Cases wait for real time to pass, in spans of milliseconds: the adapters'
//! servers need running clocks. `solekey-testkit` has fixtures of Redis and PostgreSQL to build adapters on.
//!
//! # What is here
//!
//! - [`store`], [`answers`], [`cache`], [`lease`], [`change_feed`], [`rate_limiter`]: the lists, one per port. Each has its cases in
//!   `CASES` and a function `run`.
//! - [`Report`] has what an adapter passed, [`Table`] shows several reports side by side: one file and many processes on
//!   it, one server and another version of it.
//! - [`model`]: random operations on an adapter and on the port in memory, which have to give the same replies. It finds
//!   what no list foresees: run it after the list passes.
//!
//! [`MemoryStore`](solekey_testkit::memory::MemoryStore) and its neighbours are the shortest adapters that pass; the
//! rules of rows are functions of [`Row`](solekey_core::Row), which an adapter calls or translates.
//!
//! # What is not promised
//!
//! A list that passes shows that its cases pass. It sees neither a server that loses what it acknowledged nor a
//! connection that hangs: for those, put a [fault proxy](solekey_testkit::proxy) between the adapter and its server, and
//! kill the server. Cases are added in minor releases: an adapter that passed an older list may fail a newer one.

pub mod answers;
pub mod cache;
mod case;
pub mod change_feed;
pub mod lease;
pub mod model;
pub mod rate_limiter;
mod report;
pub mod store;
mod subject;
mod wait;

pub use case::Case;
pub use report::{Report, Table};
pub use subject::Subject;
