//! A file that somebody else reads and writes, too.

use std::{
    fs::Metadata,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, fchown},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use solekey::core::{MAX_DOCUMENT_BYTES, mutant};
use uuid::Uuid;

use super::folder::Folder;

/// The path of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MirroredPath {
    path: PathBuf,
    folder: PathBuf,
    name: String,
}

/// The metadata that distinguishes one content of a file from the next without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileVersion {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    owner: (u32, u32),
}

/// The result of a replacement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Written {
    /// It is there, whole and durable.
    Done(Option<FileVersion>),
    /// The file is not the one that was seen: nothing was done.
    Moved,
}

impl MirroredPath {
    /// `None` for a path that names no file in a folder.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?.to_owned();
        Some(Self { path: path.to_owned(), folder, name })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the version of the file that is there; `None` if there is none.
    ///
    /// # Errors
    /// Something else than a plain file. A link is not followed, neither to the file nor to its folder: whoever may make
    /// one could aim it at any file of this process' user.
    pub(super) fn version(&self) -> io::Result<Option<FileVersion>> {
        match Folder::open(&self.folder).and_then(|folder| self.version_in(&folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found,
        }
    }

    fn version_in(&self, folder: &Folder) -> io::Result<Option<FileVersion>> {
        match folder.read(&self.name) {
            Ok(file) => Ok(Some(FileVersion::of_plain(&file.metadata()?)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Checks that the file could be written, before there is something to write.
    ///
    /// # Errors
    /// Its folder is not there, or nothing may be written in it.
    pub(super) fn check_writable(&self) -> io::Result<()> {
        let folder = Folder::open(&self.folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other("its folder is not there"),
            _ => error,
        })?;
        folder.check_writable().map_err(unwritable)
    }

    /// The same by making a file there and removing it: permissions do not say everything.
    pub(super) fn probe(&self) -> io::Result<()> {
        self.check_writable()?;
        let folder = Folder::open(&self.folder)?;
        let name = format!("{}{}", self.unfinished(), Uuid::new_v4().simple());
        folder.create(&name).map_err(unwritable)?;
        folder.remove(&name)
    }

    /// Returns the content, and the version that it was read from.
    ///
    /// # Errors
    /// It cannot be read, is larger than any document, or changed while it was read.
    pub(super) fn read(&self) -> io::Result<(FileVersion, Vec<u8>)> {
        let file = Folder::open(&self.folder)?.read(&self.name)?;
        let version = FileVersion::of_plain(&file.metadata()?)?;
        let mut content =
            Vec::with_capacity(usize::try_from(version.len).unwrap_or_default().min(MAX_DOCUMENT_BYTES) + 1);
        (&file).take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut content)?;
        if FileVersion::of(&file.metadata()?) != version {
            return Err(io::Error::other("it changes while it is read"));
        }
        Ok((version, content))
    }

    /// Replaces the version that was seen: a reader finds the one or the other, whole. The file is for its owner alone,
    /// and keeps its owner.
    ///
    /// Between the last check and the rename another program may still write, for as long as two calls take: programs
    /// that take no lock cannot be locked out.
    pub(super) fn replace(&self, seen: Option<FileVersion>, content: &[u8]) -> io::Result<Written> {
        if mutant("mirror_writes_in_place") {
            std::fs::write(&self.path, content)?;
            return self.version().map(Written::Done);
        }
        let folder = Folder::open(&self.folder)?;
        let unfinished = format!("{}{}", self.unfinished(), Uuid::new_v4().simple());
        let done = fill(&folder, &unfinished, seen, content)
            .and_then(|inode| self.rename(&folder, &unfinished, seen, inode));
        if !matches!(done, Ok(Written::Done(_))) {
            let _ = folder.remove(&unfinished);
        }
        done
    }

    /// Removes unfinished files of processes that died.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let folder = Folder::open(&self.folder)?;
        let names = folder.names()?;
        let names = names.iter().filter_map(|name| name.to_str());
        for name in names.filter(|name| name.starts_with(&self.unfinished())) {
            let modified = folder.read(name).and_then(|file| file.metadata()?.modified());
            if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED)) {
                folder.remove(name)?;
            }
        }
        Ok(())
    }

    fn rename(
        &self,
        folder: &Folder,
        unfinished: &str,
        seen: Option<FileVersion>,
        inode: u64,
    ) -> io::Result<Written> {
        if self.version_in(folder)? != seen && !mutant("mirror_overwrites_what_it_did_not_see") {
            return Ok(Written::Moved);
        }
        if seen.is_none() {
            // Unlike a rename this replaces nothing.
            if let Err(error) = folder.link(unfinished, &self.name) {
                return if error.kind() == io::ErrorKind::AlreadyExists {
                    Ok(Written::Moved)
                } else {
                    Err(error)
                };
            }
            folder.remove(unfinished)?;
        } else {
            folder.rename(unfinished, &self.name)?;
        }
        folder.sync()?;
        Ok(Written::Done(self.version_in(folder)?.filter(|version| version.inode == inode)))
    }

    fn unfinished(&self) -> String {
        format!(".{}.solekey-", self.name)
    }
}

impl FileVersion {
    /// The time at which the file was last written.
    pub(super) fn written(&self) -> Option<SystemTime> {
        let since = Duration::new(u64::try_from(self.modified.0).ok()?, u32::try_from(self.modified.1).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    fn of_plain(metadata: &Metadata) -> io::Result<Self> {
        if metadata.is_file() { Ok(Self::of(metadata)) } else { Err(io::Error::other("no plain file")) }
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            owner: (metadata.uid(), metadata.gid()),
        }
    }
}

fn unwritable(error: io::Error) -> io::Error {
    io::Error::other(format!("its folder cannot be written: {error}"))
}

/// Writes a whole file for its owner alone, and returns its inode.
fn fill(folder: &Folder, name: &str, seen: Option<FileVersion>, content: &[u8]) -> io::Result<u64> {
    let mut file = folder.create(name)?;
    file.write_all(content)?;
    let own = FileVersion::of(&file.metadata()?);
    if let Some(FileVersion { owner, .. }) = seen.filter(|seen| seen.owner != own.owner) {
        // Whoever reads the file would be locked out of it.
        fchown(&file, Some(owner.0), Some(owner.1))?;
    }
    folder.sync_file(&file)?;
    Ok(own.inode)
}

/// The age from which an unfinished file is abandoned: no write takes as long.
const ABANDONED: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::mirror::folder;

    #[test]
    fn what_was_written_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        let place = MirroredPath::of(&path).unwrap();
        let nothing = place.version().unwrap();
        fs::write(&path, "a login").unwrap();
        assert_eq!(place.replace(nothing, b"ours").unwrap(), Written::Moved);
        let (seen, _) = place.read().unwrap();
        fs::write(&path, "a login, too").unwrap();
        assert_eq!(place.replace(Some(seen), b"ours").unwrap(), Written::Moved);
        fs::remove_file(&path).unwrap();
        assert_eq!(place.replace(Some(seen), b"ours").unwrap(), Written::Moved);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing unfinished is left");
        let Written::Done(Some(version)) = place.replace(None, b"ours").unwrap() else {
            panic!("it is there")
        };
        assert_eq!(place.version().unwrap(), Some(version));
        let Written::Done(Some(version)) = place.replace(Some(version), b"ours, anew").unwrap() else {
            panic!("it is replaced");
        };
        assert_eq!(place.read().unwrap(), (version, b"ours, anew".to_vec()));
    }

    #[test]
    fn a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_counts_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = MirroredPath::of(&folder.path().join("auth.json")).unwrap();
        let mut seen = None;
        // An earlier folder may have had its number.
        folder::tests::synced(folder.path());
        for content in [b"first".as_slice(), b"and the next"] {
            let Written::Done(version) = place.replace(seen, content).unwrap() else { panic!("it moved") };
            let synced = folder::tests::synced(folder.path());
            let [file, names] = &synced[..] else { panic!("{synced:?}") };
            assert_eq!(file.inode, version.unwrap().inode, "{synced:?}");
            assert!(file.names.iter().any(|name| name.starts_with(&place.unfinished())), "{synced:?}");
            assert_eq!(names.names, ["auth.json"], "{synced:?}");
            seen = version;
        }
    }
}
