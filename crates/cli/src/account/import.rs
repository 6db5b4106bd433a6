//! Reading the file that somebody logged in with.

use std::{
    fs::File,
    io::{self, Read},
};

use anyhow::Context as _;

/// Reads a file, or standard input where it is called `-`.
pub(super) fn read(file: &str) -> anyhow::Result<Vec<u8>> {
    if file == "-" {
        return bounded(io::stdin().lock()).context("cannot read standard input");
    }
    File::open(file).and_then(bounded).with_context(|| format!("cannot read {file}"))
}

fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// More than a sidecar takes, so that it is the sidecar who says what is too large.
const MAX_BYTES: u64 = 1024 * 1024;
