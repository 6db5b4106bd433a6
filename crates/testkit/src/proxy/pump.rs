use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Direction, Mode};
use crate::wait::BOUND;

/// Carries one connection until an end closes.
pub(super) async fn connection(mut client: TcpStream, upstream: SocketAddr, mode: watch::Receiver<Mode>) {
    let Ok(Ok(mut server)) = timeout(BOUND, TcpStream::connect(upstream)).await else { return };
    // They only make small messages quicker.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut requests = Pump { direction: Direction::ToServer, mode: mode.clone(), dead: false };
    let mut replies = Pump { direction: Direction::ToClient, mode, dead: false };
    // Either end closing closes both: half-closed connections are none of the modes.
    tokio::select! {
        () = requests.run(from_client, to_server) => {}
        () = replies.run(from_server, to_client) => {}
    }
}

/// One direction of one connection.
struct Pump {
    direction: Direction,
    mode: watch::Receiver<Mode>,
    /// Bytes were swallowed; what follows would make no sense to the other side.
    dead: bool,
}

impl Pump {
    async fn run(&mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut buffer = vec![0; CHUNK];
        loop {
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return self.end().await,
                Ok(length) => {
                    if self.passes().await && to.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Returns whether the bytes just read go on; waits for as long as the mode demands.
    async fn passes(&mut self) -> bool {
        let held = |mode: &Mode| *mode == Mode::Hold;
        // It fails only when the proxy is gone, which ends this connection as well.
        let mode = self.mode.wait_for(|mode| !held(mode)).await.map_or(Mode::Cut, |mode| *mode);
        match mode {
            Mode::Swallow => self.dead = true,
            Mode::Lose(direction) => self.dead |= direction == self.direction,
            Mode::Delay(time) => tokio::time::sleep(time).await,
            Mode::Pass | Mode::Hold | Mode::Cut | Mode::Refuse => {}
        }
        !self.dead
    }

    /// One end has closed; the other learns of it only where bytes would pass.
    async fn end(&mut self) {
        if !self.passes().await {
            std::future::pending::<()>().await;
        }
    }
}

const CHUNK: usize = 16 << 10;
