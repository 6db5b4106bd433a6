//! PostgreSQL against the list, compared with the store in memory, and under the faults that only a server has.

mod change_feed;
mod commits;
mod database;
mod list;
mod model;
mod outages;
mod races;
mod roles;
mod tls;
