//! The token cache of Solekey: the tokens that replicas serve without a request to the store.
//!
//! Four parts, each usable by itself:
//!
//! - [`ProcessCache`]: tokens in this process. Bounded, no allocation on a hit, never back to an older generation.
//! - `RedisCache` (feature `redis`): the cache that replicas share, the [`Cache`](solekey_core::ports::Cache) port. Its
//!   fast path's entry lives for expiry minus skew; the last token stays readable until it truly expires.
//! - `RedisRateLimiter` (feature `redis`): limits the refreshes that replicas start without a waiting caller, the
//!   [`RateLimiter`](solekey_core::ports::RateLimiter) port.
//! - [`WaitMap`]: callers of this process who wait for a notification about an account, and what wakes them.
//!
//! ```
//! use std::time::Duration;
//!
//! use solekey_cache::{Entry, ProcessCache, Times, WaitMap};
//! use solekey_core::{Account, Generation, Moment};
//!
//! # fn main() -> Result<(), solekey_core::InputError> {
//! let cache = ProcessCache::default();
//! let account = Account::new("acme", "alice")?;
//! let now = Moment::from_micros(0);
//!
//! let read_start = cache.begin_read(now);
//! // ... read the shared cache ...
//! let times = Times {
//!     ahead_from: now + Duration::from_secs(3_000),
//!     good_until: now + Duration::from_secs(3_540),
//!     valid_until: now + Duration::from_secs(3_600),
//! };
//! cache.fill(account.key(), Entry::new(Generation::new(7), "token", times, read_start));
//!
//! let entry = cache.get(account.key()).filter(|entry| entry.is_good(now));
//! assert_eq!(entry.map(|entry| entry.value), Some("token"));
//!
//! let waits = WaitMap::new(1_000);
//! let waiting = waits.register(account.key());
//! assert_eq!(waits.wake(account.key(), Generation::new(8)), 1);
//! drop(waiting);
//! # Ok(())
//! # }
//! ```
//!
//! # What is not promised
//!
//! A cache decides nothing: only the store decides whether a refresh token may be presented. Everything here may be
//! lost, evicted or missed at any time, at the price of another read; it never goes back to an older generation.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod absence;
mod entry;
mod process;
#[cfg(feature = "redis")]
mod redis;
mod sync;
mod wait;

pub use absence::{Absence, BELIEVE_ABSENCE};
pub use entry::{Entry, ReadStart, Times};
pub use process::{CONFIRM_EVERY, DEFAULT_CAPACITY, ProcessCache};
#[cfg(feature = "redis")]
pub use redis::{RedisCache, RedisRateLimiter};
pub use wait::{WaitMap, Waiting, Wake};
