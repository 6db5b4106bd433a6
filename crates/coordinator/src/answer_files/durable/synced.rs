//! What reaches the disk, and in which order.
#![allow(clippy::unwrap_used)]

use std::{path::PathBuf, sync::Mutex};

use super::*;

/// Something was about to be synced.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::answer_files) struct Synced {
    pub(in crate::answer_files) path: PathBuf,
    /// The length of a file.
    len: Option<u64>,
    /// The names that were to be seen then: in a folder its own, of a file those in its folder.
    pub(in crate::answer_files) names: Vec<String>,
}

static NOTED: Mutex<Vec<Synced>> = Mutex::new(Vec::new());

pub(super) fn note(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    let (folder, len) =
        if metadata.is_dir() { (path, None) } else { (path.parent().unwrap(), Some(metadata.len())) };
    let names = if metadata.is_dir() || metadata.is_file() { names(folder).unwrap() } else { Vec::new() };
    NOTED.lock().unwrap().push(Synced { path: path.to_owned(), len, names });
}

/// What was synced at and below a folder since the last call, in order.
pub(in crate::answer_files) fn below(folder: &Path) -> Vec<Synced> {
    let mut noted = NOTED.lock().unwrap();
    let (there, others) = noted.drain(..).partition(|synced: &Synced| synced.path.starts_with(folder));
    *noted = others;
    there
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with(UNFINISHED)
}

/// The file was synced, whole, under a name that nobody reads; its folder once it had the name that counts.
fn assert_synced_before_its_name_and_its_name_after(folder: &Path, len: usize) {
    let synced = below(folder);
    let [file, names] = &synced[..] else { panic!("{synced:?}") };
    assert!(is_unfinished(&file.path), "{synced:?}");
    assert_eq!(file.len, Some(len as u64), "{synced:?}");
    assert_eq!(names.path, folder, "{synced:?}");
    assert!(names.names.contains(&"file".to_owned()), "{synced:?}");
}

#[test]
fn a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_counts_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert!(create(&path, b"first").unwrap());
    assert_synced_before_its_name_and_its_name_after(folder.path(), 5);
    assert!(!create(&path, b"another").unwrap());
    // Whoever made it may have died before its name was on the disk.
    assert_synced_before_its_name_and_its_name_after(folder.path(), 7);
    replace(&path, b"second one").unwrap();
    assert_synced_before_its_name_and_its_name_after(folder.path(), 10);
    assert_eq!(fs::read(&path).unwrap(), b"second one");
}

#[test]
fn the_name_of_every_folder_that_is_made_is_on_the_disk() {
    let root = tempfile::tempdir().unwrap();
    create_folder(&root.path().join("a/b/c")).unwrap();
    let synced: Vec<_> = below(root.path()).into_iter().map(|synced| (synced.path, synced.names)).collect();
    let named = |folder: &str, name: &str| (root.path().join(folder), vec![name.to_owned()]);
    assert_eq!(synced, [(root.path().to_owned(), vec!["a".to_owned()]), named("a", "b"), named("a/b", "c")]);
}

#[test]
#[cfg(target_os = "linux")]
fn what_does_not_reach_the_disk_is_no_success() {
    // Linux has nothing to sync there, and says so.
    assert!(sync(Path::new("/dev/null")).is_err());
    assert!(reach_disk(&File::open("/dev/null").unwrap(), Path::new("/dev/null")).is_err());
}
