//! Listening on a socket file.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::Client;
use solekey_server::{Config, Environment, Server, ServerError};

use crate::fixture::{Sidecar, World, token};

async fn bind(world: &World) -> Result<Server, ServerError> {
    let socket = format!("unix:{}", world.folder.path().join("solekey.sock").display());
    let config = world.config().replace("127.0.0.1:0", &socket);
    Server::bind(Config::parse(&config, &Environment::default()).unwrap()).await
}

#[tokio::test]
async fn a_socket_file_serves_its_owner_and_group_and_goes_with_the_server() {
    let world = World::new().await;
    let path = world.folder.path().join("solekey.sock");
    // What a killed process left behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = bind(&world).await.unwrap();
    assert_eq!(server.address().to_string(), format!("unix:{}", path.display()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);

    let client = Client::builder().no_proxy().unix_socket(path.clone()).build().unwrap();
    let sidecar = Sidecar::run(server, client);
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), pair.access_token);

    let second = bind(&world).await;
    assert!(matches!(second, Err(ServerError::Listen { .. })), "{second:?}");
    assert_eq!(sidecar.get("/healthz").await.status, 200, "the first one goes on");
    sidecar.ended().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let world = World::new().await;
    let path = world.folder.path().join("solekey.sock");
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(bind(&world).await, Err(ServerError::Listen { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}
