//! Finding the server's binaries.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::error::PostgresFixtureError;

/// Finds the folder with `initdb` and `postgres`: `SOLEKEY_POSTGRES_BIN`, else that of `PATH`, else the newest of
/// Debian's packages, which put none on `PATH`, else what `scripts/with-servers` has fetched.
///
/// # Errors
/// [`PostgresFixtureError::NoBinaries`], which says how to get some, or how to do without by name.
pub fn find_binaries() -> Result<PathBuf, PostgresFixtureError> {
    let named = env::var_os("SOLEKEY_POSTGRES_BIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    named
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(packaged(Path::new("/usr/lib/postgresql")))
        .find(|folder| BINARIES.iter().all(|name| folder.join(name).is_file()))
        .ok_or(PostgresFixtureError::NoBinaries)
}

/// The folders of all versions that are installed, newest first.
fn packaged(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<_> = entries.filter(|path| version(path).is_some()).collect();
    versions.sort_by_key(|path| std::cmp::Reverse(version(path)));
    versions.into_iter().map(|path| path.join("bin")).collect()
}

const BINARIES: [&str; 2] = ["initdb", "postgres"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_version_is_taken_by_number() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "not a version"] {
            fs::create_dir(root.path().join(version)).unwrap();
        }
        let found = packaged(root.path());
        assert_eq!(found, ["15", "9"].map(|version| root.path().join(version).join("bin")));
    }
}
