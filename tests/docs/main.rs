//! Checks documents against the sources: every test that a document or the table of mutants names exists, every attack has
//! its tests, and every warning and error of the product has its line in the list of log lines.

#![allow(clippy::unwrap_used)]

mod attacks;
mod code;
mod failure_modes;
mod logs;
mod mention;
mod mutants;
mod parity;
mod sources;
