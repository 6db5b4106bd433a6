//! Files that are whole and durable, or not there.

#[cfg(test)]
pub(super) mod synced;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use solekey_core::{mutant, ports::Trouble};
use uuid::Uuid;

/// The name's beginning of a file that is not whole yet.
const UNFINISHED: &str = ".unfinished-";

/// No write takes as long: what is older was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Creates a file with this content unless there is one; returns whether it did. Either way what is there is durable
/// afterwards.
///
/// A hard link gives the finished file its name: it never replaces what has the name, as a rename would.
pub(super) fn create(path: &Path, content: &[u8]) -> Result<bool, Trouble> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let unfinished = folder.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    let linked = fill(&unfinished, content).and_then(|()| fs::hard_link(&unfinished, path));
    // Nothing depends on it: whoever writes next removes what is left over.
    let _ = fs::remove_file(&unfinished);
    let created = match linked {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(Trouble::not_applied(error)),
    };
    sync(folder).map_err(Trouble::unknown)?;
    Ok(created)
}

/// Replaces a file by one with this content: whoever reads finds the one or the other, whole.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Trouble> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let unfinished = folder.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    let renamed = fill(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = renamed {
        // Nothing depends on it: whoever writes next removes what is left over.
        let _ = fs::remove_file(&unfinished);
        return Err(Trouble::not_applied(error));
    }
    sync(folder).map_err(Trouble::unknown)
}

/// Creates a folder and its parents, for their owner alone.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folder(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => folder.parent().map_or(Ok(()), sync),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    if mutant("names_of_answers_stay_in_memory") {
        return Ok(());
    }
    reach_disk(&File::open(folder)?, folder)
}

/// Returns once the content of a file, or the names in a folder, are on the disk.
fn reach_disk(open: &File, path: &Path) -> io::Result<()> {
    #[cfg(test)]
    synced::note(path);
    #[cfg(not(test))]
    let _ = path;
    open.sync_all()
}

/// Finds out early whether files can be written and linked there.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    let probe = |kind| folder.join(format!("{UNFINISHED}{kind}-{}", Uuid::new_v4().simple()));
    let (file, link) = (probe("file"), probe("link"));
    let probed = fill(&file, b"probe").and_then(|()| fs::hard_link(&file, &link)).and_then(|()| sync(folder));
    remove(&link)?;
    remove(&file)?;
    probed
}

/// The names in a folder; none where there is no folder.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // Every name of ours is a text; others are none of ours.
    let text =
        |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok()).transpose();
    entries.filter_map(text).collect()
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes files that will never be finished.
pub(super) fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for name in names(folder)?.iter().filter(|name| name.starts_with(UNFINISHED)) {
        let path = folder.join(name);
        if is_abandoned(&path) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn is_abandoned(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > ABANDONED))
}

fn fill(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    if mutant("answers_stay_in_memory") {
        return Ok(());
    }
    reach_disk(&file, path)
}
