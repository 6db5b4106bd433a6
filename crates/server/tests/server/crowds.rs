//! Many connections that ask for nothing, read nothing, or are never done with asking.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::{
    fixture::{World, token},
    raw::{self, Stream},
};

/// Connections of this kind until so many are there.
async fn crowd(address: &str, count: usize, begin: &str) -> Vec<Box<dyn Stream>> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let mut stream = raw::connect(address).await;
        // Whoever never reads is not read from either, at last.
        let begun = stream.write_all(begin.as_bytes());
        let _ = tokio::time::timeout(Duration::from_millis(50), begun).await;
        crowd.push(stream);
    }
    crowd
}

#[tokio::test]
async fn everybody_is_answered_next_to_900_idle_connections_100_slow_heads_and_10_that_never_read() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    let never_read = "GET /v1/nothing HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200_000);
    let mut crowds = crowd(&sidecar.address, 900, "").await;
    crowds.extend(crowd(&sidecar.address, 100, "GET /healthz HTTP/1.1\r\nhost: localh").await);
    crowds.extend(crowd(&sidecar.address, 10, &never_read).await);
    for _ in 0..20 {
        let newcomer = reqwest::Client::builder().no_proxy().build().unwrap();
        for path in ["/healthz", "/readyz", "/metrics", &token("alice")] {
            let asked = newcomer.get(format!("http://{}{path}", sidecar.address)).send();
            let answer = crate::fixture::within(asked).await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
    }
    assert_eq!(crowds.len(), 1010);
}
