//! SQLite against the list of stores, and what the list cannot ask of it.

mod file;
mod fixture;
mod handover;
mod list;
mod processes;
