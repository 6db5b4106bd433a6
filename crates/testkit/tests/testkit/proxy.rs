//! A proxy that misbehaves on command.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use solekey_testkit::proxy::{Direction, FaultProxy, Mode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::gateway::soon;

/// Answers every byte with the next one, and reports each byte it got to the test.
struct Successor {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<u8>,
    _tasks: JoinSet<()>,
}

impl Successor {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (report, heard) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, report.clone()));
            }
        });
        Self { address, heard, _tasks: tasks }
    }
}

async fn answer(mut stream: TcpStream, report: mpsc::UnboundedSender<u8>) {
    while let Ok(byte) = stream.read_u8().await {
        let _ = report.send(byte);
        if stream.write_u8(byte + 1).await.is_err() {
            return;
        }
    }
}

async fn proxied() -> (Successor, FaultProxy) {
    let server = Successor::start().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    (server, proxy)
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn ask(client: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
    client.write_u8(byte).await?;
    soon(client.read_u8()).await
}

/// Silence can only be seen by waiting for a while; what passes takes less.
async fn is_silent(client: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(200), client.read_u8()).await.is_err()
}

#[tokio::test]
async fn pass_carries_both_ways_and_counts_connections() {
    let (mut server, proxy) = proxied().await;
    let (mut a, mut b) = (connect(&proxy).await, connect(&proxy).await);
    assert_eq!(ask(&mut a, 1).await.unwrap(), 2);
    assert_eq!(ask(&mut b, 7).await.unwrap(), 8);
    assert_eq!((server.heard.recv().await, server.heard.recv().await), (Some(1), Some(7)));
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn swallow_makes_a_connection_half_open_for_good() {
    let (mut server, proxy) = proxied().await;
    let mut old = connect(&proxy).await;
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
    proxy.set(Mode::Swallow).await;
    old.write_u8(3).await.unwrap();
    assert!(is_silent(&mut old).await);
    proxy.set(Mode::Pass).await;
    old.write_u8(5).await.unwrap();
    assert!(is_silent(&mut old).await);
    assert_eq!(ask(&mut connect(&proxy).await, 7).await.unwrap(), 8);
    assert_eq!((server.heard.recv().await, server.heard.recv().await), (Some(1), Some(7)));
}

#[tokio::test]
async fn one_way_loses_requests_or_replies() {
    let (mut server, proxy) = proxied().await;
    let mut client = connect(&proxy).await;
    assert_eq!(ask(&mut client, 1).await.unwrap(), 2);
    assert_eq!(server.heard.recv().await, Some(1));
    proxy.set(Mode::Lose(Direction::ToClient)).await;
    client.write_u8(3).await.unwrap();
    assert_eq!(soon(server.heard.recv()).await, Some(3), "the request arrives");
    assert!(is_silent(&mut client).await);
    proxy.set(Mode::Lose(Direction::ToServer)).await;
    let mut client = connect(&proxy).await;
    client.write_u8(5).await.unwrap();
    assert!(is_silent(&mut client).await);
    assert!(server.heard.try_recv().is_err(), "the request does not arrive");
}

#[tokio::test]
async fn hold_keeps_bytes_until_the_partition_heals() {
    let (mut server, proxy) = proxied().await;
    proxy.set(Mode::Hold).await;
    let mut client = connect(&proxy).await;
    client.write_u8(1).await.unwrap();
    assert!(is_silent(&mut client).await);
    assert!(server.heard.try_recv().is_err());
    proxy.set(Mode::Pass).await;
    assert_eq!(soon(client.read_u8()).await.unwrap(), 2);
}

#[tokio::test]
async fn delay_slows_each_way() {
    let (_server, proxy) = proxied().await;
    let delay = Duration::from_millis(60);
    proxy.set(Mode::Delay(delay)).await;
    let started = Instant::now();
    assert_eq!(ask(&mut connect(&proxy).await, 1).await.unwrap(), 2);
    // A lower bound only: sleeps never end early.
    assert!(started.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn cut_closes_what_is_open_and_what_comes() {
    let (_server, proxy) = proxied().await;
    let mut old = connect(&proxy).await;
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
    proxy.set(Mode::Cut).await;
    assert!(soon(old.read_u8()).await.is_err());
    let mut new = connect(&proxy).await;
    assert!(soon(new.read_u8()).await.is_err());
    proxy.set(Mode::Pass).await;
    assert_eq!(ask(&mut connect(&proxy).await, 1).await.unwrap(), 2);
}

#[tokio::test]
async fn refuse_closes_the_port_until_another_mode_opens_it() {
    let (_server, proxy) = proxied().await;
    let mut old = connect(&proxy).await;
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
    proxy.set(Mode::Refuse).await;
    assert!(soon(old.read_u8()).await.is_err());
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.set(Mode::Pass).await;
    assert_eq!(ask(&mut connect(&proxy).await, 1).await.unwrap(), 2);
}

#[tokio::test]
async fn a_connection_to_a_server_that_is_away_is_closed() {
    let (server, proxy) = proxied().await;
    drop(server);
    let mut client = connect(&proxy).await;
    assert!(soon(client.read_u8()).await.is_err());
}

#[tokio::test]
async fn a_dropped_proxy_closes_its_connections() {
    let (_server, proxy) = proxied().await;
    let mut client = connect(&proxy).await;
    assert_eq!(ask(&mut client, 1).await.unwrap(), 2);
    drop(proxy);
    assert!(soon(client.read_u8()).await.is_err());
}
