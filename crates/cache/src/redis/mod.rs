//! The level that replicas share.

mod cache;
mod fast;
mod last;
mod names;
mod news;
mod pace;
mod ruling;

pub use cache::RedisCache;
pub use pace::RedisPace;
