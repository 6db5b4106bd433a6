//! The reaction of each class to a token that comes back.

use std::time::Duration;

use solekey_testkit::provider::{AuthorizationServer, Decision, Replay};

use crate::gateway::{get_resource, refresh, refused};

async fn server(replay: Replay) -> AuthorizationServer {
    AuthorizationServer::start(replay).await.unwrap()
}

/// Longer than a test takes.
const GRACE: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn non_rotating_keeps_the_refresh_token_and_changes_the_access_token() {
    let server = server(Replay::NonRotating).await;
    let granted = server.grant("alice");
    let first = refresh(&server, &granted.refresh_token).await;
    let second = refresh(&server, &granted.refresh_token).await;
    assert_eq!(first.refresh_token, granted.refresh_token);
    assert_ne!(first.access_token, second.access_token);
    assert!(server.is_valid(&first.access_token) && server.is_valid(&second.access_token));
    assert_eq!((server.rotations(), server.double_presentations()), (2, 0));
    assert_eq!(server.tally().allowed_replays, 0);
}

#[tokio::test]
async fn old_stays_valid_answers_every_token_it_ever_minted() {
    let server = server(Replay::OldStaysValid).await;
    let granted = server.grant("alice");
    let first = refresh(&server, &granted.refresh_token).await;
    assert_ne!(first.refresh_token, granted.refresh_token);
    let sibling = refresh(&server, &granted.refresh_token).await;
    for token in [&first, &sibling] {
        refresh(&server, &token.refresh_token).await;
    }
    assert_eq!((server.tally().allowed_replays, server.double_presentations()), (1, 0));
}

#[tokio::test]
async fn timer_changes_the_value_when_it_is_old_and_answers_the_old_value_with_the_current_one() {
    let server = server(Replay::Timer).await;
    let granted = server.grant("alice");
    assert_eq!(refresh(&server, &granted.refresh_token).await.refresh_token, granted.refresh_token);
    server.advance(Duration::from_secs(24 * 3600));
    let turned = refresh(&server, &granted.refresh_token).await;
    assert_ne!(turned.refresh_token, granted.refresh_token);
    let late = refresh(&server, &granted.refresh_token).await;
    assert_eq!(late.refresh_token, turned.refresh_token);
    assert_eq!((server.rotations(), server.tally().allowed_replays), (2, 1));
    assert_eq!(server.double_presentations(), 0);
}

#[tokio::test]
async fn grace_accepts_a_replay_in_its_window_and_only_the_newest_sibling_lives() {
    let server = server(Replay::Grace(GRACE)).await;
    let granted = server.grant("alice");
    let older = refresh(&server, &granted.refresh_token).await;
    let newer = refresh(&server, &granted.refresh_token).await;
    assert_eq!((server.tally().allowed_replays, server.double_presentations()), (1, 0));
    refused(&server, &older.refresh_token).await;
    refresh(&server, &newer.refresh_token).await;
    assert_eq!((server.double_presentations(), server.burned_accounts().len()), (0, 0));
}

#[tokio::test]
async fn grace_revokes_the_family_after_its_window() {
    let server = server(Replay::Grace(GRACE)).await;
    let granted = server.grant("alice");
    let successor = refresh(&server, &granted.refresh_token).await;
    server.advance(GRACE);
    refused(&server, &granted.refresh_token).await;
    assert_eq!(server.burned_accounts(), ["alice"]);
    refused(&server, &successor.refresh_token).await;
}

#[tokio::test]
async fn grace_ends_once_the_successor_has_been_presented() {
    let server = server(Replay::Grace(GRACE)).await;
    let granted = server.grant("alice");
    let successor = refresh(&server, &granted.refresh_token).await;
    refresh(&server, &successor.refresh_token).await;
    refused(&server, &granted.refresh_token).await;
    assert_eq!(server.burned_accounts(), ["alice"]);
}

#[tokio::test]
async fn until_used_accepts_the_old_token_for_ever_while_the_new_pair_lies_unused() {
    let server = server(Replay::UntilUsed).await;
    let granted = server.grant("alice");
    refresh(&server, &granted.refresh_token).await;
    server.advance(Duration::from_secs(365 * 24 * 3600));
    let again = refresh(&server, &granted.refresh_token).await;
    assert_eq!((server.tally().allowed_replays, server.double_presentations()), (1, 0));
    refresh(&server, &again.refresh_token).await;
    refused(&server, &granted.refresh_token).await;
    assert_eq!(server.burned_accounts(), ["alice"]);
}

#[tokio::test]
async fn until_used_counts_the_new_access_token_as_use() {
    let server = server(Replay::UntilUsed).await;
    let granted = server.grant("alice");
    let successor = refresh(&server, &granted.refresh_token).await;
    assert!(server.is_valid(&successor.access_token));
    refresh(&server, &granted.refresh_token).await;
    let successor = refresh(&server, &granted.refresh_token).await;
    assert_eq!(get_resource(&server, &successor.access_token).await.status(), 200);
    refused(&server, &granted.refresh_token).await;
    assert_eq!(server.double_presentations(), 1);
}

#[tokio::test]
async fn strict_refuses_a_spent_token_and_the_family_lives_on() {
    let server = server(Replay::Strict).await;
    let granted = server.grant("alice");
    let successor = refresh(&server, &granted.refresh_token).await;
    refused(&server, &granted.refresh_token).await;
    assert_eq!(server.log()[1].decision, Decision::Reused);
    assert!(server.is_valid(&successor.access_token));
    refresh(&server, &successor.refresh_token).await;
    assert_eq!((server.double_presentations(), server.burned_accounts().len()), (1, 0));
}

#[tokio::test]
async fn strict_family_revokes_the_whole_family_access_tokens_included() {
    let server = server(Replay::StrictFamily).await;
    let granted = server.grant("alice");
    let bystander = server.grant("bob");
    let other_login = server.grant("alice");
    let successor = refresh(&server, &granted.refresh_token).await;
    refused(&server, &granted.refresh_token).await;
    assert_eq!(server.log()[1].decision, Decision::Burned);
    assert_eq!(server.burned_accounts(), ["alice"]);
    for access in [&granted.access_token, &successor.access_token] {
        assert!(!server.is_valid(access));
        assert_eq!(get_resource(&server, access).await.status(), 401);
    }
    refused(&server, &successor.refresh_token).await;
    assert_eq!(server.double_presentations(), 1, "the successor was never spent");
    refresh(&server, &bystander.refresh_token).await;
    refresh(&server, &other_login.refresh_token).await;
}

#[tokio::test]
async fn a_burned_family_counts_once_and_each_spent_token_that_comes_back_counts() {
    let server = server(Replay::StrictFamily).await;
    let granted = server.grant("alice");
    refresh(&server, &granted.refresh_token).await;
    for _ in 0..3 {
        refused(&server, &granted.refresh_token).await;
    }
    let tally = server.tally_of("alice");
    assert_eq!((tally.presentations, tally.double_presentations, tally.burned_families), (4, 3, 1));
}

#[tokio::test]
async fn a_withdrawn_grant_is_refused_and_not_counted_as_burned() {
    let server = server(Replay::StrictFamily).await;
    let granted = server.grant("alice");
    server.withdraw("alice");
    assert!(!server.is_valid(&granted.access_token));
    refused(&server, &granted.refresh_token).await;
    assert_eq!((server.double_presentations(), server.burned_accounts().len()), (0, 0));
    let login = server.grant("alice");
    refresh(&server, &login.refresh_token).await;
}

#[tokio::test]
async fn the_tokens_of_an_account_are_those_of_all_its_families_and_of_no_other_account() {
    let server = server(Replay::StrictFamily).await;
    let (first, second, other) = (server.grant("a"), server.grant("a"), server.grant("b"));
    let third = refresh(&server, &second.refresh_token).await;
    let mut tokens = server.tokens_of("a");
    tokens.sort();
    let mut expected: Vec<_> =
        [first, second, third].into_iter().flat_map(|pair| [pair.access_token, pair.refresh_token]).collect();
    expected.sort();
    assert_eq!(tokens, expected);
    assert_eq!(server.tokens_of("b").len(), 2);
    assert!(server.tokens_of("b").contains(&other.refresh_token));
}
