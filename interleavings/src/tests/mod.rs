//! The properties that hold in every interleaving.

mod fixture;
mod flights;
mod process;
mod waits;
