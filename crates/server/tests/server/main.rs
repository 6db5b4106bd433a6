//! The sidecar over real HTTP, with a real store and a strict authorization server; its mirrors over ports in memory.
#![allow(clippy::unwrap_used)]

mod accounts;
mod bad_input;
mod corpus;
mod crowds;
mod doctored;
mod documents;
mod draining;
mod endpoint_trouble;
mod fixture;
mod guarded;
mod health;
mod http;
mod imported;
mod memory;
mod mirrored;
mod paths;
mod raw;
mod refusing;
mod sealing;
mod tokens;
mod unix;
mod unread;
