//! Random operations, from a seed, beside what they mean.

mod guards;
mod scripts;
