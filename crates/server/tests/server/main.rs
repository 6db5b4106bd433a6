//! The sidecar over real HTTP: a real store, a strict authorization server.
#![allow(clippy::unwrap_used)]

mod accounts;
mod bad_input;
mod corpus;
mod doctored;
mod draining;
mod endpoint_trouble;
mod fixture;
mod health;
mod http;
mod paths;
mod sealing;
mod tokens;
mod unix;
