//! What has to hold in every interleaving.

mod fixture;
mod flights;
mod process;
mod waits;
