//! HeldRequest, lost and broken requests.

use std::time::Duration;

use serde_json::Value;
use solekey_testkit::provider::{AuthorizationServer, Decision, Delivery, Fault, Replay};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::{present, refresh, soon, spawn_present};

async fn server() -> AuthorizationServer {
    AuthorizationServer::start(Replay::StrictFamily).await.unwrap()
}

/// Waits until the presentations that have arrived are over.
async fn quiet(server: &AuthorizationServer) {
    soon(server.wait_until(|server| server.log().iter().all(|line| line.end_ms.is_some()))).await;
}

#[tokio::test]
async fn a_request_held_before_is_processed_when_released() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldBefore.once().on("alice"));
    let call = spawn_present(&server, &granted.refresh_token);
    let held = soon(server.held("alice")).await;
    assert_eq!((held.seq, held.processed), (1, false));
    assert_eq!((server.rotations(), server.log()[0].decision), (0, Decision::Open));
    assert_eq!(server.release("alice"), 1);
    assert_eq!(soon(call).await.unwrap().unwrap().status(), 200);
    assert_eq!(server.rotations(), 1);
    assert!(server.log()[0].held);
}

#[tokio::test]
async fn a_request_whose_client_leaves_while_held_is_dropped_and_uses_no_token() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldBefore.once());
    let call = spawn_present(&server, &granted.refresh_token);
    soon(server.held("alice")).await;
    call.abort();
    quiet(&server).await;
    let line = server.log().remove(0);
    assert_eq!((line.decision, line.delivery), (Decision::Dropped, Delivery::ClientGone));
    assert!(timeout(Duration::ZERO, server.held("alice")).await.is_err(), "nothing is held any more");
    assert_eq!(server.release("alice"), 0);
    assert_eq!(server.newest("alice"), Some(granted.clone()));
    refresh(&server, &granted.refresh_token).await;
    assert_eq!((server.double_presentations(), server.tally().dropped), (0, 1));
}

/// On one thread hyper cannot notice the closed connection between the close and the release.
#[tokio::test(flavor = "current_thread")]
async fn a_request_released_in_the_moment_its_client_leaves_is_not_processed() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldBefore.once());
    let body = format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token);
    let request = format!(
        "POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n\
         {body}",
        body.len()
    );
    let mut client = TcpStream::connect(server.address()).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    soon(server.held("alice")).await;
    drop(client);
    assert_eq!(server.release("alice"), 1);
    quiet(&server).await;
    assert_eq!(server.log()[0].decision, Decision::Dropped);
    assert_eq!(server.newest("alice"), Some(granted));
}

#[tokio::test]
async fn a_client_that_leaves_during_the_exchange_time_uses_up_no_token() {
    let server =
        AuthorizationServer::builder().exchange_time(Duration::from_secs(3600)).start().await.unwrap();
    let granted = server.grant("alice");
    let call = spawn_present(&server, &granted.refresh_token);
    soon(server.wait_until(|server| server.presentations() == 1)).await;
    call.abort();
    quiet(&server).await;
    assert_eq!(server.log()[0].decision, Decision::Dropped);
    server.inject(Fault::Delay(Duration::ZERO).once());
    refresh(&server, &granted.refresh_token).await;
    assert_eq!(server.double_presentations(), 0);
}

#[tokio::test]
async fn a_request_held_after_has_spent_its_token() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldAfter.once());
    let call = spawn_present(&server, &granted.refresh_token);
    assert!(soon(server.held("alice")).await.processed);
    assert_eq!(server.rotations(), 1);
    server.release_all();
    let answer: Value = soon(call).await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(server.newest("alice").unwrap().refresh_token, answer["refresh_token"].as_str().unwrap());
}

#[tokio::test]
async fn a_client_that_leaves_while_its_answer_is_held_has_spent_its_token() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldAfter.once());
    let call = spawn_present(&server, &granted.refresh_token);
    soon(server.held("alice")).await;
    call.abort();
    quiet(&server).await;
    let line = server.log().remove(0);
    assert_eq!((line.decision, line.delivery), (Decision::Rotated, Delivery::ClientGone));
    present(&server, &granted.refresh_token).await.unwrap();
    assert_eq!(server.burned_accounts(), ["alice"]);
}

#[tokio::test]
async fn a_client_that_leaves_while_its_answer_is_delayed_has_spent_its_token() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::DelayAnswer(Duration::from_secs(3600)).once());
    let call = spawn_present(&server, &granted.refresh_token);
    soon(server.wait_until(|server| server.presentations() == 1)).await;
    soon(async {
        while server.rotations() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    call.abort();
    quiet(&server).await;
    assert_eq!(server.log()[0].delivery, Delivery::ClientGone);
}

#[tokio::test]
async fn a_lost_answer_is_a_rotation_that_nobody_hears_of() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::LoseAnswer.once());
    assert!(present(&server, &granted.refresh_token).await.is_err());
    let line = server.log().remove(0);
    assert_eq!((line.decision, line.delivery), (Decision::Rotated, Delivery::Lost));
    assert_ne!(server.newest("alice"), Some(granted));
}

#[tokio::test]
async fn a_truncated_answer_has_its_head_and_half_its_body() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::Truncate.once());
    let mut response = present(&server, &granted.refresh_token).await.unwrap();
    assert_eq!(response.status(), 200);
    let length = response.content_length().unwrap();
    let half = response.chunk().await.unwrap().unwrap();
    assert_eq!(half.len() as u64, length / 2);
    assert!(half.starts_with(b"{\"access_token\":"));
    assert!(response.chunk().await.is_err());
    assert_eq!((server.rotations(), server.log()[0].delivery), (1, Delivery::Truncated));
}

#[tokio::test]
async fn fields_can_be_missing_from_a_success() {
    let server = server().await;
    for (fault, missing, present_field) in [
        (Fault::OmitAccessToken, "access_token", "refresh_token"),
        (Fault::OmitRefreshToken, "refresh_token", "access_token"),
    ] {
        let granted = server.grant("alice");
        server.inject(fault.once());
        let response = present(&server, &granted.refresh_token).await.unwrap();
        let answer: Value = response.json().await.unwrap();
        assert!(answer.get(missing).is_none() && answer.get(present_field).is_some());
    }
    assert_eq!(server.rotations(), 2);
}

#[tokio::test]
async fn faults_are_met_by_the_accounts_they_are_for_until_they_are_cleared() {
    let server = server().await;
    let (alice, bob) = (server.grant("alice"), server.grant("bob"));
    server.inject(Fault::LoseAnswer.on("alice"));
    let bob = refresh(&server, &bob.refresh_token).await;
    assert!(present(&server, &alice.refresh_token).await.is_err());
    let alice = server.newest("alice").unwrap();
    assert!(present(&server, &alice.refresh_token).await.is_err(), "it lasts");
    server.clear_faults_of("alice");
    let alice = server.newest("alice").unwrap();
    refresh(&server, &alice.refresh_token).await;
    server.inject(Fault::LoseAnswer);
    server.clear_faults();
    refresh(&server, &bob.refresh_token).await;
}

#[tokio::test]
async fn a_dropped_server_cuts_the_requests_it_holds() {
    let server = server().await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldBefore);
    let call = spawn_present(&server, &granted.refresh_token);
    soon(server.held("alice")).await;
    drop(server);
    assert!(soon(call).await.unwrap().is_err());
}
