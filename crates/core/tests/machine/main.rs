//! The machine under test: tables of states, events and commands.
#![allow(clippy::unwrap_used)]

mod attacks;
mod blame;
mod corpus;
mod doubt;
mod dry_run;
mod fixture;
mod laws;
mod outcomes;
mod owner_path;
mod readings;
mod rejections;
mod request_path;
mod row;
mod unread;
mod windows;
