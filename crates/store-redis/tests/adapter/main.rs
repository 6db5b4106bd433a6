//! Rows and answers against a real Redis.
#![allow(clippy::unwrap_used)]

mod answers;
mod conformance;
mod fixture;
mod indexes;
mod lives;
mod model;
mod requests;
mod reservations;
mod roles;
mod troubles;
