//! The token cache of Solekey: what replicas serve without asking anybody.
//!
//! Four parts, each usable by itself:
//!
//! - [`ProcessCache`]: tokens in this process. Bounded, no allocation on a hit, never back to an older generation.
//! - `RedisCache` (feature `redis`): the shelf that replicas share, the [`Cache`](solekey_core::ports::Cache) port. Its fast
//!   path's entry lives for expiry minus skew; the last token stays readable until it truly expires.
//! - `RedisPace` (feature `redis`): when replicas start refreshes that nobody waits for, the
//!   [`Pace`](solekey_core::ports::Pace) port.
//! - [`WaitMap`]: callers of this process who wait for news about an account, and what wakes them.
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
//! let asked = cache.asking(now);
//! // ... ask the shelf ...
//! let times = Times {
//!     ahead_from: now + Duration::from_secs(3_000),
//!     good_until: now + Duration::from_secs(3_540),
//!     valid_until: now + Duration::from_secs(3_600),
//! };
//! cache.fill(account.key(), Entry::new(Generation::new(7), "token", times, asked));
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
//! A cache decides nothing: whether a refresh token may be presented is the store's to say. Everything here may be lost,
//! evicted or missed at any time, at the price of another look; what it never does is go back to an older generation.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod absence;
mod entry;
mod process;
#[cfg(feature = "redis")]
mod redis;
mod sync;
mod wait;

pub use absence::{Absence, BELIEVE_ABSENCE};
pub use entry::{Asked, Entry, Times};
pub use process::{CONFIRM_EVERY, DEFAULT_CAPACITY, ProcessCache};
#[cfg(feature = "redis")]
pub use redis::{RedisCache, RedisPace};
pub use wait::{DEFAULT_WAITERS, WaitMap, Waiting, Wake};
