//! A file that somebody else reads and writes, too.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;
use solekey_core::{MAX_DOCUMENT_BYTES, mutant};
use uuid::Uuid;

/// Where the file is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    folder: PathBuf,
    name: String,
}

/// What tells one content of a file from the next without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    owner: (u32, u32),
}

/// What became of a new content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Written {
    /// It is there, whole and durable.
    Done(Option<Mark>),
    /// The file is not the one that was seen: nothing was done.
    Moved,
}

impl Place {
    /// `None` for a path that names no file in a folder.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?.to_owned();
        Some(Self { path: path.to_owned(), folder, name })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there; `None` for nothing.
    ///
    /// # Errors
    /// Something else than a plain file. A link is not followed: whoever may write the folder could aim it at any file of
    /// this process' user.
    pub(super) fn look(&self) -> io::Result<Option<Mark>> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(Mark::of(&metadata))),
            Ok(metadata) if metadata.is_symlink() => {
                Err(io::Error::other("a symbolic link: name the file it points to"))
            }
            Ok(_) => Err(io::Error::other("no plain file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The content, and what it was read from.
    ///
    /// # Errors
    /// It cannot be read, is larger than any document, or changed while it was read.
    pub(super) fn read(&self) -> io::Result<(Mark, Vec<u8>)> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path)?;
        let mark = Mark::of(&file.metadata()?);
        let mut content =
            Vec::with_capacity(usize::try_from(mark.len).unwrap_or_default().min(MAX_DOCUMENT_BYTES) + 1);
        (&file).take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut content)?;
        if Mark::of(&file.metadata()?) != mark {
            return Err(io::Error::other("it changes while it is read"));
        }
        Ok((mark, content))
    }

    /// Replaces what was seen: whoever reads finds the one or the other, whole. For its owner alone, who stays.
    ///
    /// Between the last look and the new name somebody may write all the same, for as long as two calls take; nothing can
    /// lock out programs that take no lock.
    pub(super) fn replace(&self, seen: Option<Mark>, content: &[u8]) -> io::Result<Written> {
        if mutant("mirror_writes_in_place") {
            fs::write(&self.path, content)?;
            return self.look().map(Written::Done);
        }
        let unfinished = self.folder.join(format!("{}{}", self.unfinished(), Uuid::new_v4().simple()));
        let done = fill(&unfinished, seen, content).and_then(|inode| self.rename(&unfinished, seen, inode));
        if !matches!(done, Ok(Written::Done(_))) {
            let _ = fs::remove_file(&unfinished);
        }
        done
    }

    /// Removes what was left unfinished by processes that died.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&self.unfinished()));
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED));
            if ours && old {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn rename(&self, unfinished: &Path, seen: Option<Mark>, inode: u64) -> io::Result<Written> {
        if self.look()? != seen && !mutant("mirror_overwrites_what_it_did_not_see") {
            return Ok(Written::Moved);
        }
        if seen.is_none() {
            // Unlike a rename this replaces nothing.
            if let Err(error) = fs::hard_link(unfinished, &self.path) {
                return if error.kind() == io::ErrorKind::AlreadyExists {
                    Ok(Written::Moved)
                } else {
                    Err(error)
                };
            }
            fs::remove_file(unfinished)?;
        } else {
            fs::rename(unfinished, &self.path)?;
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(Written::Done(self.look()?.filter(|mark| mark.inode == inode)))
    }

    fn unfinished(&self) -> String {
        format!(".{}.solekey-", self.name)
    }
}

impl Mark {
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

/// Writes a whole file for its owner alone; says which it is.
fn fill(path: &Path, seen: Option<Mark>, content: &[u8]) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    let own = Mark::of(&file.metadata()?);
    if let Some(Mark { owner, .. }) = seen.filter(|seen| seen.owner != own.owner) {
        // Whoever reads the file would be locked out of it.
        fchown(&file, Some(owner.0), Some(owner.1))?;
    }
    file.sync_all()?;
    Ok(own.inode)
}

/// No write takes as long.
const ABANDONED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_written_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        let place = Place::of(&path).unwrap();
        let nothing = place.look().unwrap();
        fs::write(&path, "a login").unwrap();
        assert_eq!(place.replace(nothing, b"ours").unwrap(), Written::Moved);
        let (seen, _) = place.read().unwrap();
        fs::write(&path, "a login, too").unwrap();
        assert_eq!(place.replace(Some(seen), b"ours").unwrap(), Written::Moved);
        fs::remove_file(&path).unwrap();
        assert_eq!(place.replace(Some(seen), b"ours").unwrap(), Written::Moved);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing unfinished is left");
        let Written::Done(Some(mark)) = place.replace(None, b"ours").unwrap() else { panic!("it is there") };
        assert_eq!(place.look().unwrap(), Some(mark));
        let Written::Done(Some(mark)) = place.replace(Some(mark), b"ours, anew").unwrap() else {
            panic!("it is replaced");
        };
        assert_eq!(place.read().unwrap(), (mark, b"ours, anew".to_vec()));
    }
}
