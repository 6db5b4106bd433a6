//! A token endpoint that answers byte by byte what a test wants, and remembers what reached it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The reaction of the stub to every request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Writes these bytes and waits for the next request on the same connection.
    KeepAlive(String),
    /// Writes these bytes and closes the connection.
    Close(String),
    /// The same with bytes that are no text.
    Raw(Vec<u8>),
    /// Reads the request and keeps silent.
    Silence,
    /// Accepts the connection and never reads from it.
    Deaf,
    /// Writes these bytes and closes the connection without having read a request.
    Babble(String),
}

pub(crate) struct Stub {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

impl Stub {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let server = tokio::spawn(accept(listener, answer, seen.clone()));
        Self { address, seen, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Head and body of every request that arrived whole.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A whole HTTP answer.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// A whole JSON answer on a connection that stays open.
pub(crate) fn json(status: &str, body: &str) -> Answer {
    Answer::KeepAlive(http(status, "content-type: application/json\r\n", body))
}

/// Connections are served one after the other: no test needs more, and all of it ends with one task.
async fn accept(listener: TcpListener, answer: Answer, seen: Arc<Mutex<Seen>>) {
    while let Ok((stream, _)) = listener.accept().await {
        seen.lock().unwrap().connections += 1;
        serve(stream, &answer, &seen).await;
    }
}

async fn serve(mut stream: TcpStream, answer: &Answer, seen: &Mutex<Seen>) {
    match answer {
        Answer::Deaf => return std::future::pending().await,
        Answer::Babble(bytes) => {
            let _gone_already = stream.write_all(bytes.as_bytes()).await;
            return;
        }
        Answer::KeepAlive(_) | Answer::Close(_) | Answer::Raw(_) | Answer::Silence => {}
    }
    while let Some(request) = read(&mut stream).await {
        seen.lock().unwrap().requests.push(request);
        match answer {
            Answer::KeepAlive(bytes) => {
                if stream.write_all(bytes.as_bytes()).await.is_err() {
                    return;
                }
            }
            Answer::Close(bytes) => {
                let _gone_already = stream.write_all(bytes.as_bytes()).await;
                let _gone_already = stream.shutdown().await;
                return;
            }
            Answer::Raw(bytes) => {
                let _gone_already = stream.write_all(bytes).await;
                let _gone_already = stream.shutdown().await;
                return;
            }
            Answer::Silence | Answer::Deaf | Answer::Babble(_) => return std::future::pending().await,
        }
    }
}

/// One request, or `None` when the other side closed.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= length(head)
        {
            return Some(text);
        }
    }
}

fn length(head: &str) -> usize {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    value.unwrap_or(0)
}
