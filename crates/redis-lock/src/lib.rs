//! A Redis lease (`SET NX PX` semantics) with a fencing token, idempotent acquire and a pessimistic deadline.
//!
//! **A lease by itself is not mutual exclusion.** Its holder can be paused for longer than the lease lasts, the server
//! can lose it in a failover, and its clock can be set. It decides who tries first; the resource that is written to
//! decides who may, by refusing every [`Fence`] that is not greater than the last it has seen.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use solekey_redis_link::{LinkOptions, RedisLink};
//! use solekey_redis_lock::{AcquireError, AcquireOptions, RedisLock};
//!
//! # async fn tour() -> Result<(), Box<dyn std::error::Error>> {
//! let link = RedisLink::connect("redis://127.0.0.1:6379", LinkOptions::default()).await?;
//! let lock = RedisLock::new(link);
//!
//! let (ttl, max_wait) = (Duration::from_secs(20), Duration::from_secs(5));
//! match lock.acquire("report:nightly", ttl, max_wait, AcquireOptions::default()).await {
//!     Ok(guard) => {
//!         // Only begin what fits into the lease.
//!         guard.ensure(Duration::from_secs(10))?;
//!         println!("writing with fence {}", guard.fence());
//!         guard.release().await?;
//!     }
//!     Err(AcquireError::Busy { remaining }) => println!("somebody else is at it for {remaining:?}"),
//!     Err(error) => return Err(error.into()),
//! }
//! lock.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # The usual accidents
//!
//! - *The answer to an acquire is lost.* The request is repeated with the same token, which the server recognises. If
//!   nothing is heard in time the outcome is [`Ambiguous`](AcquireError::Ambiguous), and the lease is released in the
//!   background.
//! - *A request is executed long after its sender gave up.* It carries a not-after instant of the server's clock, and
//!   leaves nothing behind.
//! - *The data is gone* (`FLUSHALL`, a failover that lost writes). Fences grow with the server's clock as well as by
//!   counting.
//! - *The machine was suspended.* Deadlines count from before the send, on the clock that went furthest.
//! - *A guard or an acquire is dropped.* No IO in `Drop`: a bounded task releases by token, or the lease ends by its
//!   time.
//!
//! Each lease is one string key: `<fence> held <token> <end>`, after a release `<fence> free <token>`. It is kept for a
//! day after the end or the release, for its fence.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod acquire;
mod clock;
mod error;
mod guard;
mod janitor;
mod lease;
mod lock;
mod options;
#[cfg(feature = "port")]
mod port;
mod server_clock;
mod verbs;

pub use error::{AcquireError, LeaseLost, RenewError};
pub use guard::Guard;
pub use lease::{Acquired, Fence, LeaseToken, Released, Renewed};
pub use lock::RedisLock;
pub use options::{AcquireOptions, LockOptions};
#[cfg(feature = "port")]
pub use port::RedisLease;
pub use solekey_redis_link;
