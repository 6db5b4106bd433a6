//! The records and counts of the referee.

use std::sync::Arc;

use serde_json::Value;
use solekey_testkit::provider::{AuthorizationServer, Decision, Fault, Replay, fingerprint};

use crate::gateway::{client, present, refresh, refused, soon, spawn_present};

async fn server(replay: Replay) -> AuthorizationServer {
    AuthorizationServer::start(replay).await.unwrap()
}

#[tokio::test]
async fn a_presentation_that_overlaps_another_of_the_same_token_is_double() {
    let server = server(Replay::StrictFamily).await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldBefore.once());
    let first = spawn_present(&server, &granted.refresh_token);
    soon(server.held("alice")).await;
    let second = refresh(&server, &granted.refresh_token).await;
    let log = server.log();
    assert_eq!((log[0].decision, log[0].is_double()), (Decision::Open, false));
    assert_eq!((log[1].decision, log[1].overlapping, log[1].spent), (Decision::Rotated, true, false));
    assert_eq!(server.double_presentations(), 1);
    server.release("alice");
    assert_eq!(soon(first).await.unwrap().unwrap().status(), 400);
    let log = server.log();
    assert_eq!((log[0].decision, log[0].spent), (Decision::Burned, true));
    assert_eq!(server.double_presentations(), 2, "the first was spent by the time it was processed");
    assert!(!server.is_valid(&second.access_token));
}

#[tokio::test]
async fn overlapping_presentations_of_different_tokens_are_fine() {
    let server = server(Replay::StrictFamily).await;
    let (alice, bob) = (server.grant("alice"), server.grant("bob"));
    server.inject(Fault::HoldBefore.once().on("alice"));
    let held = spawn_present(&server, &alice.refresh_token);
    soon(server.held("alice")).await;
    refresh(&server, &bob.refresh_token).await;
    server.release("alice");
    soon(held).await.unwrap().unwrap();
    assert_eq!((server.rotations(), server.double_presentations()), (2, 0));
}

#[tokio::test]
async fn an_overlap_is_double_even_where_replays_are_allowed() {
    let server = server(Replay::NonRotating).await;
    let granted = server.grant("alice");
    server.inject(Fault::HoldBefore.once());
    let first = spawn_present(&server, &granted.refresh_token);
    soon(server.held("alice")).await;
    refresh(&server, &granted.refresh_token).await;
    server.release("alice");
    assert_eq!(soon(first).await.unwrap().unwrap().status(), 200);
    assert_eq!((server.double_presentations(), server.rotations()), (1, 2));
}

#[tokio::test]
async fn a_spent_token_counts_even_if_its_client_leaves_before_it_is_processed() {
    let server = server(Replay::StrictFamily).await;
    let granted = server.grant("alice");
    let successor = refresh(&server, &granted.refresh_token).await;
    server.inject(Fault::HoldBefore.once());
    let call = spawn_present(&server, &granted.refresh_token);
    soon(server.held("alice")).await;
    call.abort();
    soon(server.wait_until(|server| server.tally().dropped == 1)).await;
    assert_eq!((server.double_presentations(), server.burned_accounts().len()), (1, 0));
    refresh(&server, &successor.refresh_token).await;
}

#[tokio::test]
async fn counts_are_kept_per_account() {
    let server = server(Replay::StrictFamily).await;
    let (alice, bob) = (server.grant("alice"), server.grant("bob"));
    refresh(&server, &alice.refresh_token).await;
    refused(&server, &alice.refresh_token).await;
    refresh(&server, &bob.refresh_token).await;
    refused(&server, "rt-unknown").await;
    let (alice, bob, all) = (server.tally_of("alice"), server.tally_of("bob"), server.tally());
    assert_eq!(
        (alice.presentations, alice.rotations, alice.double_presentations, alice.burned_families),
        (2, 1, 1, 1)
    );
    assert_eq!(
        (bob.presentations, bob.rotations, bob.double_presentations, bob.burned_families),
        (1, 1, 0, 0)
    );
    assert_eq!(
        (all.presentations, all.rotations, all.double_presentations, all.burned_families),
        (4, 2, 1, 1)
    );
    assert_eq!(server.tally_of("nobody").presentations, 0);
}

#[tokio::test]
async fn the_log_names_tokens_by_fingerprint_and_says_who_presented_them() {
    let server = server(Replay::StrictFamily).await;
    let granted = server.grant("alice");
    let form = [("grant_type", "refresh_token"), ("refresh_token", granted.refresh_token.as_str())];
    client().post(server.token_url_for("replica-2")).form(&form).send().await.unwrap();
    let successor = server.newest("alice").unwrap();
    refresh(&server, &successor.refresh_token).await;
    refused(&server, "rt-unknown").await;

    let file = tempfile::NamedTempFile::new().unwrap();
    server.write_log(file.path()).unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(text, server.log_json_lines());
    for secret in [&granted, &successor].map(|pair| [&pair.access_token, &pair.refresh_token]).concat() {
        assert!(!text.contains(secret.as_str()));
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second, unknown] = lines.as_slice() else {
        panic!("three presentations, not {}", lines.len())
    };
    assert_eq!(first["seq"], 1);
    assert_eq!(first["account"], "alice");
    assert_eq!((&first["generation"], &second["generation"]), (&0.into(), &1.into()));
    assert_eq!(first["family"], second["family"]);
    assert_eq!(first["token"], fingerprint(&granted.refresh_token));
    assert_eq!((&first["via"], &second["via"]), (&"replica-2".into(), &Value::Null));
    assert_eq!((&first["decision"], &first["delivery"]), (&"rotated".into(), &"sent".into()));
    assert!(first["start_ms"].as_u64() <= first["end_ms"].as_u64());
    assert_eq!((&unknown["account"], &unknown["decision"]), (&Value::Null, &"refused".into()));
}

/// Of many at once exactly one rotates, whatever the order; the referee misses none of the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_stampede_is_counted_exactly() {
    let server = Arc::new(server(Replay::Strict).await);
    let granted = server.grant("alice");
    let calls = (0..32).map(|_| {
        let (server, token) = (server.clone(), granted.refresh_token.clone());
        tokio::spawn(async move { present(&server, &token).await.unwrap().status().as_u16() })
    });
    let mut statuses = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        statuses.push(soon(call).await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!((server.presentations(), server.rotations(), server.double_presentations()), (32, 1, 31));
}
