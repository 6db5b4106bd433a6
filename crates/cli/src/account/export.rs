//! Writing an account's document into a file.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;

/// Writes a new file for its owner alone. Nothing is replaced and no link is followed; half of a file is removed.
pub(super) fn write(path: &Path, document: &[u8]) -> anyhow::Result<()> {
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).to_owned();
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow::anyhow!("{}: something is there already", path.display()),
        _ => anyhow::Error::new(error).context(format!("cannot create {}", path.display())),
    })?;
    let written = file.write_all(document).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}
