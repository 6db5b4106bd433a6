//! The beginning of the PostgreSQL protocol: a check that a server accepts sessions.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Returns whether a session of `user` in `database` begins now, without a password.
pub(super) async fn lets_in(address: SocketAddr, user: &str, database: &str) -> bool {
    timeout(BOUND, begins(address, user, database)).await.is_ok_and(|begins| begins.unwrap_or(false))
}

async fn begins(address: SocketAddr, user: &str, database: &str) -> io::Result<bool> {
    const READY_FOR_QUERY: u8 = b'Z';
    const ERROR: u8 = b'E';
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(&message(user, database)).await?;
    loop {
        match connection.read_u8().await? {
            READY_FOR_QUERY => return Ok(true),
            ERROR => return Ok(false),
            _ => skip(&mut connection).await?,
        }
    }
}

/// The rest of a message: its length, which counts itself, and as much.
async fn skip(connection: &mut TcpStream) -> io::Result<()> {
    let length = connection.read_u32().await?.saturating_sub(4);
    let mut rest = vec![0; usize::try_from(length.min(MAX_MESSAGE)).unwrap_or_default()];
    connection.read_exact(&mut rest).await.map(drop)
}

fn message(user: &str, database: &str) -> Vec<u8> {
    const PROTOCOL_3_0: u32 = 3 << 16;
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    for word in ["user", user, "database", database, ""] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes();
    [length.as_slice(), &body].concat()
}

/// Of one question, which is asked again: whoever else may sit on the port need not answer.
const BOUND: Duration = Duration::from_secs(10);

/// Greetings are short.
const MAX_MESSAGE: u32 = 10_000;
