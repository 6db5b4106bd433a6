//! One managed Redis connection and one subscriber per process, with deadlines, outcome classes and a watchdog.
//!
//! A Redis client library provides commands. In addition, a coordinator needs to know, within a bound, *what became of
//! a command*, and a connection that recovers from everything that happens to servers: killed, restarted, paused,
//! demoted to a replica, or unreachable without an error. [`RedisLink`] adds just that around the [`redis`] crate:
//!
//! - one multiplexed connection shared by the whole process, replaced by a watchdog when it breaks, falls silent or
//!   leads to a replica;
//! - a deadline on every call, and an error that states whether the command may have run ([`LinkError`]);
//! - a breaker: while the server is away or too slow, calls fail at once and the link probes by itself ([`LinkState`]);
//! - scripts by hash that survive `SCRIPT FLUSH` and failover ([`Script`]);
//! - calls of many callers that share round trips ([`Trips`]);
//! - one subscriber connection that reports when it may have missed something ([`Subscription`], [`Event::Gap`]).
//!
//! ```no_run
//! use solekey_redis_link::{Event, LinkOptions, RedisLink, Script, cmd};
//!
//! static ADD: Script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
//!
//! # async fn tour() -> Result<(), Box<dyn std::error::Error>> {
//! let link = RedisLink::connect("redis://127.0.0.1:6379", LinkOptions::default()).await?;
//!
//! let mut greetings = link.subscribe(["greetings"]).await;
//! let total: i64 = link.script(&ADD).key("total").arg(2).run().await?;
//! match link.query::<()>(cmd("PUBLISH").arg("greetings").arg(total)).await {
//!     Ok(()) => {}
//!     Err(error) if error.is_not_applied() => println!("safe to repeat: {error}"),
//!     Err(error) => println!("read before repeating: {error}"),
//! }
//! match greetings.next().await {
//!     Some(Event::Notification(heard)) => println!("{} bytes on {}", heard.payload.len(), heard.channel),
//!     Some(Event::Gap) => println!("something may have been missed, check anew"),
//!     None => println!("the link was closed"),
//! }
//! link.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is not promised
//!
//! A command is sent at most once: repeating it after an unknown outcome is the caller's decision, for only the caller
//! knows whether that is safe. Notifications are hints: what is published while a subscriber is away is gone, and
//! [`Event::Gap`] reports it.
//!
//! Redis from 6.2 on and Valkey. Cluster redirections are reported ([`LinkError::Refused`] with `MOVED` or `ASK`), not
//! followed.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backoff;
mod breaker;
mod call;
mod error;
mod eviction;
mod link;
mod mutant;
mod notifications;
mod options;
mod pipeline;
mod reply;
mod script;
mod shared;
mod source;
mod state;
mod subscriber;
mod trips;
mod watchdog;

pub use call::ScriptCall;
pub use error::LinkError;
pub use eviction::Eviction;
pub use link::RedisLink;
#[doc(hidden)]
pub use mutant::{ScriptMutant, mutant, script_mutant};
pub use notifications::{Event, Notification, Subscription};
pub use options::{InvalidOption, LinkOptions};
pub use pipeline::{Pipeline, Replies};
pub use redis::{Cmd, FromRedisValue, ToRedisArgs, Value, cmd};
pub use script::{Script, ScriptArgs};
pub use state::{DownReason, LinkPhase, LinkState};
pub use trips::{Seen, Trips};

#[cfg(feature = "deadpool")]
pub use deadpool_redis;
