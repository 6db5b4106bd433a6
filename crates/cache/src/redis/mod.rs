//! The level that replicas share.

mod cache;
mod change_feed;
mod fast;
mod last;
mod names;
mod proof;
mod rate_limiter;
mod wire_verdict;

pub use cache::RedisCache;
pub use rate_limiter::RedisRateLimiter;
