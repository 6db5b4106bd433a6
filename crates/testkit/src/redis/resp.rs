//! Just enough RESP2 to administrate a server, so that this crate needs no client library.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resp {
    /// `+OK`
    Status(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$5…`, or none for the null string.
    Bulk(Option<Vec<u8>>),
    /// `*2…`, or none for the null array.
    Array(Option<Vec<Resp>>),
}

/// Sends one command on a connection of its own.
pub(super) async fn command(address: SocketAddr, words: &[&str], bound: Duration) -> io::Result<Resp> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        stream.write_all(&encode(words)).await?;
        read(&mut stream).await
    };
    timeout(bound, exchange).await?
}

pub(super) fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

pub(super) async fn read(stream: &mut (impl AsyncBufReadExt + Unpin + Send)) -> io::Result<Resp> {
    let mut line = String::new();
    stream.take(MAX_LINE).read_line(&mut line).await?;
    let Some(text) = line.strip_suffix("\r\n") else { return Err(malformed()) };
    let Some((kind, rest)) = text.split_at_checked(1) else { return Err(malformed()) };
    match kind {
        "+" => Ok(Resp::Status(rest.to_owned())),
        "-" => Ok(Resp::Error(rest.to_owned())),
        ":" => rest.parse().map(Resp::Integer).map_err(|_| malformed()),
        "$" => match length(rest)? {
            Some(length) => bulk(stream, length).await,
            None => Ok(Resp::Bulk(None)),
        },
        "*" => match length(rest)? {
            Some(length) => array(stream, length).await,
            None => Ok(Resp::Array(None)),
        },
        _ => Err(malformed()),
    }
}

async fn bulk(stream: &mut (impl AsyncBufReadExt + Unpin + Send), length: usize) -> io::Result<Resp> {
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await?;
    bytes.truncate(length);
    Ok(Resp::Bulk(Some(bytes)))
}

async fn array(stream: &mut (impl AsyncBufReadExt + Unpin + Send), length: usize) -> io::Result<Resp> {
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(Box::pin(read(stream)).await?);
    }
    Ok(Resp::Array(Some(items)))
}

fn length(text: &str) -> io::Result<Option<usize>> {
    match text.parse() {
        Ok(-1) => Ok(None),
        Ok(length @ 0..=MAX_LENGTH) => Ok(usize::try_from(length).ok()),
        _ => Err(malformed()),
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a RESP2 reply")
}

/// Status and error lines are short.
const MAX_LINE: u64 = 64 << 10;

/// INFO and scans stay far below; more means that the peer does not speak RESP.
const MAX_LENGTH: i64 = 16 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn every_kind_of_reply_is_read() {
        let mut wire = &b"*6\r\n+OK\r\n-ERR no\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*-1\r\n"[..];
        let items = vec![
            Resp::Status("OK".into()),
            Resp::Error("ERR no".into()),
            Resp::Integer(-7),
            Resp::Bulk(Some(b"a\r\nb".into())),
            Resp::Bulk(None),
            Resp::Array(None),
        ];
        assert_eq!(read(&mut wire).await.unwrap(), Resp::Array(Some(items)));
    }

    #[tokio::test]
    async fn what_is_not_resp_is_an_error() {
        for wire in
            ["", "+OK", "?\r\n", "HTTP/1.1 400 Bad Request\r\n", "$99999999\r\n", ":x\r\n", "$5\r\nab\r\n"]
        {
            assert!(read(&mut wire.as_bytes()).await.is_err(), "{wire:?}");
        }
    }

    #[test]
    fn words_are_counted_in_bytes() {
        assert_eq!(encode(&["GET", "ä"]), "*2\r\n$3\r\nGET\r\n$2\r\nä\r\n".as_bytes());
    }
}
