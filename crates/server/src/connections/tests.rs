//! Connections over real sockets, and over pipes in virtual time.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};

use super::*;
use crate::{Listen, fixture::InMemory, guard::Admission};

/// A server on loopback, or on a socket file in a folder.
struct Serving {
    listen: Listen,
    closing: CancellationToken,
    served: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Serving {
    async fn tcp(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::at("127.0.0.1:0".to_owned(), folder, limits).await
    }

    async fn unix(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::at(format!("unix:{}", folder.path().join("s.sock").display()), folder, limits).await
    }

    async fn at(listen: String, folder: tempfile::TempDir, limits: Limits) -> Self {
        let listener = Listener::bind(&listen.try_into().unwrap()).await.unwrap();
        let (listen, closing) = (listener.address().clone(), CancellationToken::new());
        let served = tokio::spawn(serve(listener, InMemory::new().await.http, limits, closing.clone()));
        Self { listen, closing, served, _folder: folder }
    }

    async fn connect(&self) -> Client {
        match &self.listen {
            Listen::Tcp(address) => Client(Box::new(TcpStream::connect(address).await.unwrap())),
            Listen::Unix(path) => Client(Box::new(UnixStream::connect(path).await.unwrap())),
        }
    }

    async fn stop(self) {
        self.closing.cancel();
        within(self.served).await.unwrap();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The other side of a connection.
struct Client(Box<dyn Stream>);

impl Client {
    /// The status of the answer, and whether the server closes afterwards; `None` where the connection is over before.
    async fn get(&mut self, path: &str) -> Option<(u16, bool)> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.ok()?;
        let head = self.head().await?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
        let mut body = vec![0; length];
        within(self.0.read_exact(&mut body)).await.ok()?;
        Some((status, head.contains("connection: close")))
    }

    async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(self.0.read_u8()).await.ok()?);
        }
        String::from_utf8(head).ok()
    }

    /// Waits until the server has closed, whatever it sends before.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        if let Err(error) = within(self.0.read_to_end(&mut rest)).await {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    solekey_testkit::wait::within("the other side of a connection", future).await
}

#[tokio::test]
async fn idle_connections_make_room_for_all_that_come() {
    let serving = Serving::tcp(Limits::for_tests(40, 4)).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(serving.connect().await);
    }
    let mut newcomers = Vec::new();
    for _ in 0..200 {
        let mut newcomer = serving.connect().await;
        let answered = newcomer.get("/nothing").await;
        assert!(matches!(answered, Some((404, _))), "{answered:?}");
        newcomers.push(newcomer);
    }
    for client in &mut idle {
        client.closed().await;
    }
    serving.stop().await;
}

#[tokio::test]
async fn health_answers_next_to_idle_slow_and_never_reading_connections() {
    let serving = Serving::unix(Limits::for_tests(48, 4)).await;
    let mut crowd = Vec::new();
    let pipelined = "GET /nothing HTTP/1.1\r\n\r\n".repeat(4096);
    for at in 0..60 {
        let mut client = serving.connect().await;
        match at % 3 {
            0 => {}
            1 => client.0.write_all(b"GET /nothing HTTP/1.1\r\nx: ").await.unwrap(),
            _ => {
                let never_reads = client.0.write_all(pipelined.as_bytes());
                let _ = tokio::time::timeout(Duration::from_millis(20), never_reads).await;
            }
        }
        crowd.push(client);
        for path in ["/healthz", "/readyz", "/metrics"] {
            let answered = serving.connect().await.get(path).await;
            assert!(matches!(answered, Some((200, _))), "{at} {path}: {answered:?}");
        }
    }
    // Not at once, for nobody is cut whose byte may be on the way.
    let answered = async {
        while !matches!(serving.connect().await.get("/nothing").await, Some((404, _))) {
            tokio::task::yield_now().await;
        }
    };
    within(answered).await;
    serving.stop().await;
}

/// A connection over a pipe that holds so many bytes.
async fn piped(limits: Limits, bytes: usize) -> (DuplexStream, JoinHandle<()>) {
    piped_until(limits, bytes, CancellationToken::new()).await
}

async fn piped_until(
    limits: Limits,
    bytes: usize,
    closing: CancellationToken,
) -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(bytes);
    let slot = Slots::new(limits).take(Peer::Local, Instant::now()).unwrap();
    let answering = Answering { api: InMemory::new().await.http, by: Admission::Loopback, slot };
    (client, tokio::spawn(answering.serve(server, limits, closing)))
}

fn limits(head: u64, idle: u64, write: u64) -> Limits {
    let seconds = Duration::from_secs;
    Limits { head: seconds(head), idle: seconds(idle), write: seconds(write), ..Limits::for_tests(8, 1) }
}

const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_in_ends_by_its_own_deadline() {
    let (mut client, served) = piped(limits(10, 75, 3600), 4096).await;
    let began = Instant::now();
    for byte in REQUEST {
        if client.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    served.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(75), "{:?}", began.elapsed());
    assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 0, "nothing was answered");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_longer_than_a_head_may_take() {
    let (mut client, served) = piped(limits(10, 75, 3600), 4096).await;
    for pause in [0, 70, 70] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        client.write_all(REQUEST).await.unwrap();
        let mut answer = [0; 1024];
        let length = client.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 404"), "after {pause} s");
    }
    let began = Instant::now();
    served.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_ends_its_connection() {
    let (mut client, served) = piped(limits(3600, 3600, 10), 64).await;
    client.write_all(REQUEST).await.unwrap();
    tokio::time::timeout(Duration::from_mins(1), served).await.expect("it ends by its deadline").unwrap();
    assert!(client.write_all(REQUEST).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_bit_by_bit_arrives_whole() {
    let (mut client, served) = piped(limits(3600, 3600, 10), 64).await;
    client.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        tokio::time::sleep(Duration::from_secs(9)).await;
        let mut bytes = [0; 32];
        let length = client.read(&mut bytes).await.unwrap();
        assert_ne!(length, 0, "it was cut");
        answer.extend_from_slice(&bytes[..length]);
    }
    drop(client);
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_at_once_when_the_process_does() {
    for requests in [0, 1] {
        let closing = CancellationToken::new();
        let (mut client, served) = piped_until(limits(3600, 3600, 3600), 4096, closing.clone()).await;
        for _ in 0..requests {
            client.write_all(REQUEST).await.unwrap();
            assert_ne!(client.read(&mut [0; 1024]).await.unwrap(), 0);
        }
        let began = Instant::now();
        closing.cancel();
        served.await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO, "after {requests} requests");
        assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_hand_arrives_whole_when_the_process_ends_and_is_the_last_one() {
    let closing = CancellationToken::new();
    let (mut client, served) = piped_until(limits(3600, 3600, 3600), 64, closing.clone()).await;
    client.write_all(REQUEST).await.unwrap();
    let mut begun = [0; 16];
    client.read_exact(&mut begun).await.unwrap();
    closing.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    let answer = String::from_utf8([&begun[..], &rest].concat()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_on_its_way_when_the_process_ends_is_answered() {
    let closing = CancellationToken::new();
    let (mut client, served) = piped_until(limits(3600, 3600, 3600), 4096, closing.clone()).await;
    let request = b"PUT /v1/accounts/acme/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{";
    client.write_all(request).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    closing.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    served.await.unwrap();
}

/// A client whose request is read, but for the end of its body.
async fn unfinished(serving: &Serving) -> Client {
    let mut client = serving.connect().await;
    let request = b"PUT /v1/accounts/acme/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\
                    expect: 100-continue\r\n\r\n";
    client.0.write_all(request).await.unwrap();
    let mut go_on = [0; 25];
    within(client.0.read_exact(&mut go_on)).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    client
}

#[tokio::test]
async fn a_server_that_ends_answers_what_it_has_read() {
    let grace = Duration::from_hours(1);
    let serving = Serving::tcp(Limits { grace, ..Limits::for_tests(8, 1) }).await;
    let mut client = unfinished(&serving).await;
    serving.closing.cancel();
    let Listen::Tcp(address) = &serving.listen else { unreachable!() };
    let refusing = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refusing).await;
    client.0.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    within(client.0.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    serving.stop().await;
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_a_server_from_its_end() {
    let grace = Duration::from_millis(100);
    let serving = Serving::tcp(Limits { grace, ..Limits::for_tests(8, 1) }).await;
    let mut client = unfinished(&serving).await;
    serving.stop().await;
    assert_eq!(within(client.0.read(&mut [0; 64])).await.unwrap_or(0), 0, "it is cut");
}

#[tokio::test]
async fn whoever_is_done_with_sending_gets_the_answer() {
    let serving = Serving::tcp(Limits::for_tests(8, 1)).await;
    for path in ["/readyz", "/metrics", "/v1/accounts"] {
        let mut client = serving.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.0.write_all(request.as_bytes()).await.unwrap();
        client.0.shutdown().await.unwrap();
        let mut answer = String::new();
        within(client.0.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let mut cut = serving.connect().await;
    let request = b"PUT /v1/accounts/acme/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
    cut.0.write_all(request).await.unwrap();
    cut.0.shutdown().await.unwrap();
    cut.closed().await;
    serving.stop().await;
}
