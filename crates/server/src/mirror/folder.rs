//! A folder that stays the one that was opened, whatever becomes of the path to it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Component, Path},
};

use rustix::{
    fs::{
        Access, AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, accessat, linkat, openat, renameat,
        statat, unlinkat,
    },
    io::Errno,
};
use solekey::core::mutant;

/// An open folder; names are of files directly in it, and no link is followed.
pub(super) struct Folder(File);

impl Folder {
    /// Opens the folder at an absolute path.
    ///
    /// # Errors
    /// It is not there or cannot be read, or a symbolic link leads to it: whoever can make one on the way could aim it at
    /// any folder of this process' user. Links in the root folder are followed, for only the system makes those.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let names: Vec<&OsStr> = path.components().filter_map(name).collect();
        let mut folder = openat(CWD, "/", SEARCH | FOLDER, Mode::empty())?;
        for (depth, name) in names.iter().enumerate() {
            let access = if depth + 1 == names.len() { OFlags::RDONLY } else { SEARCH };
            let is_followed = depth == 0 || mutant("mirror_follows_a_linked_folder");
            let follow = if is_followed { OFlags::empty() } else { OFlags::NOFOLLOW };
            folder = openat(&folder, *name, access | FOLDER | follow, Mode::empty()).map_err(|error| {
                let is_link = !is_followed
                    && statat(&folder, *name, AtFlags::SYMLINK_NOFOLLOW)
                        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_symlink());
                if is_link { io::Error::other(LINKED) } else { error.into() }
            })?;
        }
        Ok(Self(folder.into()))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// It is not there or cannot be read, or is a symbolic link.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        // A pipe without a writer would be waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.0, name, flags, Mode::empty());
        opened.map(File::from).map_err(|error| match error {
            Errno::LOOP | Errno::MLINK => io::Error::other("a symbolic link: name the file it points to"),
            error => error.into(),
        })
    }

    /// Creates a file for its owner alone, where there is none.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Gives a file another name, in place of whatever has that name.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }

    /// Gives a file a second name, which nothing may have.
    pub(super) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(linkat(&self.0, from, &self.0, to, AtFlags::empty())?)
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// The names of what is in it.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let entries = Dir::read_from(&self.0)?;
        let name = |entry: DirEntry| OsString::from_vec(entry.file_name().to_bytes().to_vec());
        Ok(entries.map(|entry| entry.map(name)).collect::<Result<_, _>>()?)
    }

    /// Checks that this process may give names in it: files are replaced by renaming others.
    ///
    /// # Errors
    /// It may not, or the file system is for reading only.
    pub(super) fn check_writable(&self) -> io::Result<()> {
        match accessat(&self.0, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            // Systems that cannot answer: the first write will.
            Ok(()) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns once the content of a file in it is on the disk.
    pub(super) fn sync_file(&self, file: &File) -> io::Result<()> {
        if mutant("mirrored_files_stay_in_memory") {
            return Ok(());
        }
        reach_disk(self, file)
    }

    /// Returns once its names are on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        if mutant("names_of_mirrored_files_stay_in_memory") {
            return Ok(());
        }
        reach_disk(self, &self.0)
    }
}

#[cfg_attr(not(test), expect(unused_variables, reason = "tests note what was synced, and where"))]
fn reach_disk(folder: &Folder, open: &File) -> io::Result<()> {
    #[cfg(test)]
    tests::note(folder, open);
    open.sync_all()
}

fn name(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::from_bytes(b"..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// Folders on the way need not be readable.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SEARCH: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEARCH: OFlags = OFlags::RDONLY;
const LINKED: &str = "a symbolic link leads to its folder: name the folder that it points to";

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, symlink},
        sync::Mutex,
    };

    use super::*;

    /// A file or folder was about to be synced.
    #[derive(Clone, PartialEq, Debug)]
    pub(in crate::mirror) struct Synced {
        pub(in crate::mirror) inode: u64,
        folder: u64,
        /// The names in the folder then.
        pub(in crate::mirror) names: Vec<String>,
    }

    static NOTED: Mutex<Vec<Synced>> = Mutex::new(Vec::new());

    pub(super) fn note(folder: &Folder, open: &File) {
        let names = folder.names().unwrap_or_default().into_iter().map(|name| name.into_string().unwrap());
        let names = names.filter(|name| name != "." && name != "..").collect();
        let [inode, folder] = [open, &folder.0].map(|open| open.metadata().unwrap().ino());
        NOTED.lock().unwrap().push(Synced { inode, folder, names });
    }

    /// What was synced of a folder and in it since the last call, in order.
    pub(in crate::mirror) fn synced(folder: &Path) -> Vec<Synced> {
        let folder = fs::metadata(folder).unwrap().ino();
        let mut noted = NOTED.lock().unwrap();
        let (there, others) = noted.drain(..).partition(|synced: &Synced| synced.folder == folder);
        *noted = others;
        there
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_does_not_reach_the_disk_is_no_success() {
        let root = tempfile::tempdir().unwrap();
        // Linux has nothing to sync there, and says so.
        let nothing = File::open("/dev/null").unwrap();
        assert!(Folder::open(root.path()).unwrap().sync_file(&nothing).is_err());
        assert!(Folder(nothing).sync().is_err());
    }

    #[test]
    fn a_folder_is_opened_by_its_own_path_and_not_by_a_link() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("real/inner")).unwrap();
        symlink(at("real"), at("link")).unwrap();
        symlink("real", at("relative")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        for fine in ["real", "real/inner", "real/./inner", "real/inner/.."] {
            assert!(Folder::open(&at(fine)).is_ok(), "{fine}");
        }
        for linked in ["link", "relative", "dangling", "link/inner", "link/inner/..", "real/../link"] {
            let refused = Folder::open(&at(linked)).err().unwrap();
            assert_eq!(refused.to_string(), LINKED, "{linked}");
        }
        assert_eq!(Folder::open(&at("missing")).err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_folder_that_is_replaced_by_a_link_meanwhile_is_still_the_one() {
        let root = tempfile::tempdir().unwrap();
        let (path, other) = (root.path().join("folder"), root.path().join("other"));
        fs::create_dir(&path).unwrap();
        fs::create_dir(&other).unwrap();
        let folder = Folder::open(&path).unwrap();
        fs::rename(&path, root.path().join("moved")).unwrap();
        symlink(&other, &path).unwrap();
        folder.create("file").unwrap();
        folder.rename("file", "renamed").unwrap();
        assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
        assert!(root.path().join("moved/renamed").exists());
    }
}
