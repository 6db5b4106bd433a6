//! A bound address.

use std::io;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::{Listen, connections::Peer, guard::Admission, hosts::is_loopback, socket_file::SocketFile};

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

/// A connection, and what is known of its other side.
pub(crate) struct Accepted {
    pub(crate) connection: Connection,
    pub(crate) peer: Peer,
    pub(crate) by: Admission,
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
                let (socket, file) = SocketFile::bind(path)?;
                Ok(Self { socket: Socket::Unix(socket), address: listen.clone(), _file: Some(file) })
            }
        }
    }

    /// Returns the address at which it listens, with the port that the system chose.
    pub(crate) fn address(&self) -> &Listen {
        &self.address
    }

    /// # Cancel safety
    /// Dropped midway, no connection is lost.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Fails where it has ended already, which is found when it is read.
                let _ = stream.set_nodelay(true);
                let ip = address.ip().to_canonical();
                let peer = if is_loopback(ip) { Peer::Local } else { Peer::Address(ip) };
                Ok(Accepted { connection: Connection::Tcp(stream), peer, by: Admission::Loopback })
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = stream.peer_cred().map_or(Peer::Local, |user| Peer::User(user.uid()));
                Ok(Accepted { connection: Connection::Unix(stream), peer, by: Admission::SocketFile })
            }
        }
    }
}
