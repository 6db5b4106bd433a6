//! Servers in containers, and the conformance lists of the workspace against them: `scripts/containers` runs this.
//!
//! The lists are those of the ordinary test binaries, which use a server that `REDIS_URL` or `DATABASE_URL` names.
//! Images are named by `SOLEKEY_TEST_REDIS_IMAGE`, `SOLEKEY_TEST_VALKEY_IMAGE` and `SOLEKEY_TEST_POSTGRES_IMAGE`.

#[cfg(test)]
mod cleanup;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod image;
#[cfg(test)]
mod lists;
