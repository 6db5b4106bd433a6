//! Comparison of adapters with the ports in memory: random operations on both, which have to reply the same to each.
//!
//! Simulations and tests of the coordinator run on the ports in memory. What they prove holds for a real server as far
//! as that server does the same, and this is where it is compared: every operation of a port, with arguments of a small
//! and hostile domain, repeated, late, mistaken and out of order, with losses of data in between. Where a reply depends
//! on the time, there has to be an instant between the times before and after it at which the memory replies precisely
//! the same.
//!
//! A run prints its seed. `SOLEKEY_MODEL_SEED` repeats one, `SOLEKEY_MODEL_OPS` sets the number of operations. A
//! divergence panics with both answers, with what was done to the account before, and with a sequence made as short as
//! possible that shows it again.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use solekey_conformance::{
//!     model::{self, Plan, Stage, StorePairs},
//!     store::Foreign,
//! };
//! use solekey_core::{Account, ports::Store};
//! # use solekey_testkit::memory::MemoryStore as MyStore;
//!
//! /// A store, and a test's direct access to its server.
//! struct MyStage(Arc<MyStore>);
//!
//! #[async_trait]
//! impl Stage for MyStage {
//!     async fn lose_everything(&self) -> Arc<dyn Store> {
//!         self.0.wipe();
//!         self.0.clone()
//!     }
//!
//!     async fn lose_scripts(&self) {} // It has none.
//! }
//!
//! #[async_trait]
//! impl Foreign for MyStage {
//!     async fn set_format(&self, account: &Account, format: u16) {
//!         Foreign::set_format(&*self.0, account, format).await;
//!     }
//! }
//!
//! // In a test: Plan::from_env()
//! # #[tokio::main]
//! # async fn main() {
//! let plan = Plan { operations: 500, seed: 7 };
//! let store = async || StorePairs::new(MyStage(Arc::new(MyStore::new()))).await;
//! println!("{}", model::run("my server", plan, store).await);
//! # }
//! ```

mod answers;
mod backstage;
mod cache;
mod lease;
mod make;
mod pick;
mod rate_limiter;
mod run;
mod shrink;
mod store;

pub use answers::AnswersPairs;
pub use backstage::Backstage;
pub use cache::CachePairs;
pub use lease::LeasePairs;
pub use make::{Make, MakeError};
pub use rate_limiter::RateLimiterPairs;
pub use run::{Divergence, Outcome, Pairs, Plan, Tally, run};
pub use store::{RedisStage, Stage, StorePairs};
