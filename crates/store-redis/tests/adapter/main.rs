//! Rows and answers against a real Redis.
#![allow(clippy::unwrap_used)]

mod answers;
mod conformance;
mod fixture;
mod indexes;
mod model;
mod reservations;
mod troubles;
mod wishes;
