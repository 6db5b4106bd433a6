//! PostgreSQL against the list, beside the store in memory, and under what only a server suffers.

mod database;
mod list;
mod model;
mod news;
mod outages;
mod races;
mod tls;
