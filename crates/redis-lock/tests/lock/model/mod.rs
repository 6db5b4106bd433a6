//! Random operations, from a seed, compared with what they mean.

mod guards;
mod scripts;
