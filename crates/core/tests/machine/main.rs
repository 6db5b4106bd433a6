//! The machine under test: tables of states, events and commands.
#![allow(clippy::unwrap_used)]

mod doubt;
mod fixture;
mod outcomes;
mod owner_path;
mod rejections;
mod request_path;
mod row;
