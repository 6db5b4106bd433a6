//! The file of a socket.

use std::{
    fmt, fs, io,
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use solekey::core::mutant;
use tokio::net::UnixListener;
use uuid::Uuid;

/// A socket's file, which is removed when this is dropped.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: what stands there later may be another one's.
    id: Option<(u64, u64)>,
}

impl SocketFile {
    /// Listens on a file for its owner and group. It is made where only its owner can reach it and appears at its path with
    /// its mode: nobody else can connect meanwhile.
    pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        remove_abandoned(path)?;
        if mutant("socket_is_bound_where_it_is_seen") {
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(OWNER_AND_GROUP))?;
            return Ok((listener, Self::at(path)));
        }
        let nursery = Nursery::next_to(path)?;
        let listener = UnixListener::bind(nursery.socket())?;
        fs::set_permissions(nursery.socket(), fs::Permissions::from_mode(OWNER_AND_GROUP))?;
        // Unlike a rename, a link replaces nothing that has come there in the meantime; not every file system has links.
        match fs::hard_link(nursery.socket(), path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            Err(_) => fs::rename(nursery.socket(), path)?,
        }
        Ok((listener, Self::at(path)))
    }

    fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), id: id(path) }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it already; it is of no use to anybody without us.
        if id(&self.path) == self.id || mutant("socket_of_another_one_is_removed") {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl fmt::Debug for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// A folder for its owner alone, in which a socket is made; it goes with what is in it.
struct Nursery(PathBuf);

impl Nursery {
    fn next_to(path: &Path) -> io::Result<Self> {
        // Addresses of sockets are short: 104 bytes on some systems.
        let name = format!(".{:.8}", Uuid::new_v4().simple());
        let folder = path.with_file_name(name);
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.socket());
        let _ = fs::remove_dir(&self.0);
    }
}

/// A process that was killed leaves its socket file behind; one that nobody listens on is removed.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            _ => Err(io::ErrorKind::AddrInUse.into()),
        },
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(_) => Ok(()),
    }
}

const OWNER_AND_GROUP: u32 = 0o660;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{os::unix::net::UnixListener as BlockingListener, sync::atomic::AtomicBool, thread};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_appears_with_its_mode_and_leaves_nothing_else_behind() {
        use std::sync::atomic::Ordering::Relaxed;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let seen = scope.spawn(|| {
                let mut modes = std::collections::BTreeSet::new();
                let mut nurseries = std::collections::BTreeSet::new();
                while !over.load(Relaxed) {
                    modes.extend(fs::metadata(&path).map(|found| found.permissions().mode() & 0o777));
                    let folders = fs::read_dir(folder.path()).unwrap().flatten();
                    let folders =
                        folders.filter_map(|found| found.metadata().ok()).filter(fs::Metadata::is_dir);
                    nurseries.extend(folders.map(|folder| folder.permissions().mode() & 0o777));
                }
                (modes, nurseries)
            });
            for _ in 0..2_000 {
                let bound = SocketFile::bind(&path).unwrap();
                assert_eq!(mode(&path), 0o660);
                drop(bound);
            }
            over.store(true, Relaxed);
            let (modes, nurseries) = seen.join().unwrap();
            assert!(modes.iter().all(|mode| *mode == 0o660), "{modes:?}");
            assert!(nurseries.iter().all(|mode| *mode == 0o700), "{nurseries:?}");
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_another_one_has_put_there_since_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let older = SocketFile::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let newer = SocketFile::bind(&path).unwrap();
        drop(older);
        assert_eq!(mode(&path), 0o660);
        drop(newer);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_at_the_path_and_in_use_or_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let living = BlockingListener::bind(&path).unwrap();
        assert_eq!(SocketFile::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(living);
        drop(SocketFile::bind(&path).expect("nobody listens there any more"));
        fs::write(&path, "precious").unwrap();
        assert_eq!(SocketFile::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
