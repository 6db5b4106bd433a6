//! The sources of this workspace, read for the names of their tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A document, by its path from the root.
pub(crate) fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every document, by its path from the root.
pub(crate) fn documents() -> BTreeMap<String, String> {
    let folders = ["", "docs", "docs/decisions"].map(|folder| root().join(folder));
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// The sources below a folder, or the one at a path, by their paths from the root; none where nothing is.
pub(crate) fn below(path: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root().join(path)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// The names of the tests in a source: functions whose attributes make them one, none of them ignored.
pub(crate) fn tests(source: &str) -> Vec<&str> {
    let mut marked = false;
    let mut names = Vec::new();
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") || line.starts_with("//") {
            marked |= line == "#[test]" || line.starts_with("#[tokio::test");
            marked &= !line.starts_with("#[ignore");
            continue;
        }
        if let Some(name) = function(line).filter(|_| marked) {
            names.push(name);
        }
        marked = false;
    }
    names
}

/// The name of the function that a line begins.
pub(crate) fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let begins =
        before.split_whitespace().all(|word| ["async", "pub", "pub(super)", "pub(crate)"].contains(&word));
    after.split_once('(').map(|(name, _)| name).filter(|_| begins)
}
