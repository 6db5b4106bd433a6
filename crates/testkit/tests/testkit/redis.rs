//! Real servers: found, paused, killed, restarted.

use std::io::ErrorKind;
use std::time::Duration;

use solekey_testkit::redis::{ClientKind, Data, FixtureError, RedisServer, Resp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::soon;

async fn value(server: &RedisServer, key: &str) -> Resp {
    server.command(&["GET", key]).await.unwrap()
}

fn text(text: &str) -> Resp {
    Resp::Bulk(Some(text.into()))
}

#[tokio::test]
async fn a_server_starts_answers_and_forgets_on_demand() {
    let server = RedisServer::start().await.unwrap();
    assert_eq!(server.url(), format!("redis://{}/", server.address()));
    server.command(&["SET", "k", "v"]).await.unwrap();
    assert_eq!(value(&server, "k").await, text("v"));
    server.flush_all().await.unwrap();
    assert_eq!(value(&server, "k").await, Resp::Bulk(None));
}

#[tokio::test]
async fn two_servers_do_not_share_anything() {
    let (a, b) = (RedisServer::start().await.unwrap(), RedisServer::start().await.unwrap());
    a.command(&["SET", "k", "v"]).await.unwrap();
    assert_eq!(value(&b, "k").await, Resp::Bulk(None));
    assert_ne!(a.address(), b.address());
}

#[tokio::test]
async fn a_paused_server_accepts_connections_and_answers_once_resumed() {
    let server = RedisServer::start().await.unwrap();
    server.pause().unwrap();
    let mut client = TcpStream::connect(server.address()).await.unwrap();
    client.write_all(b"PING\r\n").await.unwrap();
    let mut reply = [0; 7];
    // The silence itself can only be seen by waiting for a while; a server that is not paused answers in less.
    assert!(timeout(Duration::from_millis(300), client.read_exact(&mut reply)).await.is_err());
    server.resume().unwrap();
    soon(client.read_exact(&mut reply)).await.unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
}

#[tokio::test]
async fn a_killed_server_refuses_connections_and_restarts_empty_on_its_port() {
    let mut server = RedisServer::start().await.unwrap();
    let address = server.address();
    server.command(&["SET", "k", "v"]).await.unwrap();
    server.kill9();
    assert_eq!(server.pid(), None);
    assert!(matches!(server.pause(), Err(FixtureError::NotRunning)));
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    server.restart(Data::Kept).await.unwrap();
    assert_eq!(server.address(), address);
    assert_eq!(value(&server, "k").await, Resp::Bulk(None));
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_where_the_server_appends() {
    let mut server = RedisServer::builder().append_only().start().await.unwrap();
    server.command(&["SET", "k", "v"]).await.unwrap();
    server.kill9();
    server.restart(Data::Kept).await.unwrap();
    assert_eq!(value(&server, "k").await, text("v"));
    server.restart(Data::Lost).await.unwrap();
    assert_eq!(value(&server, "k").await, Resp::Bulk(None));
    server.command(&["SET", "k", "w"]).await.unwrap();
    assert_eq!(value(&server, "k").await, text("w"));
}

#[tokio::test]
async fn a_paused_server_can_be_killed_and_restarted() {
    let mut server = RedisServer::start().await.unwrap();
    server.pause().unwrap();
    server.restart(Data::Kept).await.unwrap();
    server.flush_all().await.unwrap();
}

#[tokio::test]
async fn clients_are_cut_by_kind() {
    let server = RedisServer::start().await.unwrap();
    let mut subscriber = TcpStream::connect(server.address()).await.unwrap();
    subscriber.write_all(b"SUBSCRIBE feed\r\n").await.unwrap();
    let mut greeting = [0; "*3\r\n$9\r\nsubscribe\r\n$4\r\nfeed\r\n:1\r\n".len()];
    soon(subscriber.read_exact(&mut greeting)).await.unwrap();
    let mut normal = TcpStream::connect(server.address()).await.unwrap();
    normal.write_all(b"PING\r\n").await.unwrap();
    soon(normal.read_exact(&mut greeting[..7])).await.unwrap();

    assert_eq!(server.kill_clients(ClientKind::PubSub).await.unwrap(), 1);
    assert_eq!(soon(subscriber.read(&mut greeting)).await.unwrap(), 0);
    normal.write_all(b"PING\r\n").await.unwrap();
    soon(normal.read_exact(&mut greeting[..7])).await.unwrap();
    assert!(server.kill_clients(ClientKind::Normal).await.unwrap() >= 1);
    assert_eq!(soon(normal.read(&mut greeting)).await.unwrap(), 0);
}

#[tokio::test]
async fn an_error_reply_is_an_error_that_names_the_command() {
    let server = RedisServer::start().await.unwrap();
    let error = server.command(&["NONSENSE"]).await.unwrap_err();
    assert!(matches!(&error, FixtureError::Command { command, .. } if command == "NONSENSE"), "{error}");
}

#[tokio::test]
async fn a_dropped_server_leaves_neither_a_process_nor_a_folder() {
    let server = RedisServer::start().await.unwrap();
    let (address, log) = (server.address(), server.log_path().to_owned());
    assert!(log.exists());
    drop(server);
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(!log.parent().unwrap().exists());
}

#[tokio::test]
async fn a_server_that_does_not_come_up_shows_the_end_of_its_log() {
    let error = RedisServer::builder().setting("maxmemory", "nonsense").start().await.unwrap_err();
    let FixtureError::Exited { log, tail } = &error else { panic!("{error}") };
    assert!(tail.contains("maxmemory"), "{tail}");
    assert!(log.exists(), "the log is kept");
    std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_binary_that_is_none_is_named() {
    let error = RedisServer::builder().binary("/nonexistent/redis-server").start().await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/redis-server"), "{error}");
}
