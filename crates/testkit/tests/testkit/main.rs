//! The test kit against real HTTP clients, real Redis servers and real sockets.
#![allow(clippy::unwrap_used)]

mod atproto;
mod dialects;
mod faults;
mod gateway;
mod proxy;
mod redis;
mod referee;
mod replay;
mod requests;
