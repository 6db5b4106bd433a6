//! SQLite and PostgreSQL against the list of stores, and what the list cannot ask of them.

mod commits;
mod file;
mod fixture;
mod handover;
mod list;
mod model;
mod notified;
#[cfg(feature = "postgres")]
mod postgres;
mod processes;
