//! A bound address.

use std::{
    fmt, fs, io,
    os::unix::{fs::PermissionsExt as _, net::UnixStream as BlockingStream},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::Listen;

/// A listening socket; a socket file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    address: Listen,
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// One connection of a client.
pub(crate) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    pub(crate) async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => {
                let socket = TcpListener::bind(address).await?;
                let address = Listen::Tcp(socket.local_addr()?);
                Ok(Self { socket: Socket::Tcp(socket), address, _file: None })
            }
            Listen::Unix(path) => {
                remove_abandoned(path)?;
                let socket = UnixListener::bind(path)?;
                let file = Some(SocketFile(path.clone()));
                fs::set_permissions(path, fs::Permissions::from_mode(OWNER_AND_GROUP))?;
                Ok(Self { socket: Socket::Unix(socket), address: listen.clone(), _file: file })
            }
        }
    }

    /// Where it listens: with the port that the system chose.
    pub(crate) fn address(&self) -> &Listen {
        &self.address
    }

    /// # Cancel safety
    /// Dropped midway, no connection is lost.
    pub(crate) async fn accept(&self) -> io::Result<Connection> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Connection::Tcp(stream))
            }
            Socket::Unix(listener) => Ok(Connection::Unix(listener.accept().await?.0)),
        }
    }
}

struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it already; it is of no use to anybody without us.
        let _ = fs::remove_file(&self.0);
    }
}

impl fmt::Debug for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A process that was killed leaves its socket file behind; one that nobody listens on is removed.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => match BlockingStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            _ => Err(io::ErrorKind::AddrInUse.into()),
        },
        _ => Ok(()),
    }
}

const OWNER_AND_GROUP: u32 = 0o660;
