//! Small worlds, every interleaving of them.

mod exhaustive;
mod worlds;
