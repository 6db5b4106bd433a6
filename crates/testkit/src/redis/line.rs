use std::io;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::FixtureError;
use super::resp::{self, Resp};
use super::server::RedisServer;
use crate::wait::BOUND;

/// A connection of the test's own, for many commands behind the back of whatever is tested.
#[derive(Debug)]
pub struct Line(Mutex<BufReader<TcpStream>>);

impl Line {
    /// Connects.
    ///
    /// # Errors
    /// The server cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn to(server: &RedisServer) -> Result<Self, FixtureError> {
        let connect = async { timeout(BOUND, TcpStream::connect(server.address())).await? };
        let stream = connect.await.map_err(|source| failed("connect", source))?;
        stream.set_nodelay(true).map_err(|source| failed("connect", source))?;
        Ok(Self(Mutex::new(BufReader::new(stream))))
    }

    /// Executes a command, three minutes at the most.
    ///
    /// # Errors
    /// No answer, or an error reply.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the command was executed, and the line out of step: drop it, too.
    pub async fn command(&self, words: &[&str]) -> Result<Resp, FixtureError> {
        let mut stream = self.0.lock().await;
        let exchange = async {
            stream.write_all(&resp::encode(words)).await?;
            resp::read(&mut *stream).await
        };
        let verb = words.first().copied().unwrap_or_default();
        let reply: io::Result<Resp> = async { timeout(BOUND, exchange).await? }.await;
        match reply.map_err(|source| failed(verb, source))? {
            Resp::Error(message) => Err(failed(verb, io::Error::other(message))),
            reply => Ok(reply),
        }
    }
}

fn failed(verb: &str, source: io::Error) -> FixtureError {
    FixtureError::Command { command: verb.to_owned(), source }
}
