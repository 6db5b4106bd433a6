//! What the documents say of the tests: whatever they name exists, and every attack has its tests.

#![allow(clippy::unwrap_used)]

mod attacks;
mod failure_modes;
mod mention;
mod parity;
mod sources;
