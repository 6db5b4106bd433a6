use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::response::Response;

/// The client's end of one connection, reached past hyper: to learn at once that it has closed, and to close it
/// in ways no HTTP server would.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// A second descriptor of hyper's socket; it shares its non-blocking mode.
    socket: Arc<TcpStream>,
}

impl Peer {
    pub(super) fn of(stream: &tokio::net::TcpStream) -> io::Result<Self> {
        let socket = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        Ok(Self { address: stream.peer_addr()?, socket: Arc::new(socket) })
    }

    /// Asks the kernel. hyper drops a handler whose client has closed, but only once it has noticed the close; between
    /// the close and that moment a request that was just released would still be processed.
    pub(super) fn is_gone(&self) -> bool {
        match self.socket.peek(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Closes the connection; what the returned response says reaches nobody.
    pub(super) fn hang_up(&self) -> Response {
        // It fails only where the connection is closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
        Response::default()
    }

    /// Sends the head and half of the body, then closes.
    pub(super) async fn break_off(&self, response: Response) -> Response {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let mut bytes =
            format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", head.status, body.len()).into_bytes();
        for (name, value) in &head.headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&body[..body.len() / 2]);
        // The socket does not block, and takes as much as fits into its buffer: a little less is as good.
        let _ = self.socket.as_ref().write(&bytes);
        self.hang_up()
    }
}
