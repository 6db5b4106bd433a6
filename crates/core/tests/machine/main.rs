//! The machine under test: tables of states, events and commands, and every interleaving of small worlds.
#![allow(clippy::unwrap_used)]

mod doubt;
mod explore;
mod fixture;
mod outcomes;
mod owner_path;
mod rejections;
mod request_path;
mod row;
