//! Durable account rows and answers of Solekey in Redis.
//!
//! [`RedisStore`] is the [`Store`](solekey_core::ports::Store) port: one hash per account, every change one script on
//! that one key, at the server's own time. [`RedisAnswers`] is the [`Answers`](solekey_core::ports::Answers) port: the
//! second location of every rotated pair, for a store that is *not* this Redis.
//!
//! ```no_run
//! use solekey_core::{Account, ports::Store};
//! use solekey_redis_link::{LinkOptions, RedisLink};
//! use solekey_store_redis::RedisStore;
//!
//! # async fn tour() -> Result<(), Box<dyn std::error::Error>> {
//! let link = RedisLink::connect("redis://127.0.0.1:6379", LinkOptions::default()).await?;
//! let store = RedisStore::new(link, "solekey")?;
//! let loaded = store.load(&Account::new("acme", "alice")?).await?;
//! println!("{:?} at {:?}", loaded.record.map(|record| record.row.generation), loaded.now);
//! # Ok(())
//! # }
//! ```
//!
//! # What is not promised
//!
//! A Redis keeps what it acknowledged as well as it is configured to: `appendonly yes` with `appendfsync always`, and
//! no eviction (`maxmemory-policy noeviction`), for a store that safety rests on. A failover to a replica that had not
//! heard of a change yet takes the change back; answers kept elsewhere bring back the newest pair.

/// A script about a row.
macro_rules! row_script {
    ($file:literal) => {
        solekey_redis_link::Script::new(concat!(
            include_str!("../lua/spent.lua"),
            include_str!("../lua/row.lua"),
            include_str!(concat!("../lua/", $file))
        ))
    };
}

mod answers;
mod arguments;
mod fields;
mod index;
mod labels;
mod names;
mod primary;
mod reply;
mod reservation;
mod store;
mod trouble;

pub use answers::RedisAnswers;
pub use labels::SealNames;
pub use store::RedisStore;
