//! Answers out of the ordinary, over a real Redis.

use reqwest::StatusCode;
use solekey::{TokenError, core::Revocation};
use solekey_testkit::provider::{Fault, Reply};

use crate::{
    blueprint::Terms,
    fleet::{Fleet, Mode, Plan},
    wait::{eventually, within},
};

/// N-10.
#[tokio::test]
async fn what_an_answer_lacks_costs_no_pair_and_no_token_is_presented_twice_for_it() {
    let terms = Terms { ask_login: true, ..Terms::quick() };
    let fleet = Fleet::start(Plan { mode: Mode::Redis, terms, ..Plan::default() }).await;

    let (kept, _) = fleet.log_in_due("no-refresh-token").await;
    fleet.provider.inject(Fault::OmitRefreshToken.once());
    let token = within("a token", fleet.first().token(&kept)).await.unwrap();
    assert!(fleet.provider.is_valid(token.expose_secret()));
    let state = fleet.state(&kept).await;
    assert!(state.refreshable && state.why.is_none(), "the old one is kept: {state:?}");
    fleet.assert_presented(&kept, 1);

    let (again, _) = fleet.log_in_due("no-access-token").await;
    fleet.provider.inject(Fault::OmitAccessToken.once());
    eventually("the pair is used for another refresh", async || fleet.first().token(&again).await.ok()).await;
    fleet.assert_all_serve_the_newest(&again).await;
    fleet.assert_presented(&again, 2);

    for (id, fault, expected) in [
        ("truncated", Fault::Truncate, Revocation::InDoubt),
        ("empty", Fault::AnswerAfter(Reply::Empty200), Revocation::AnswerUnread),
        ("no-token", Fault::AnswerAfter(Reply::NoAccessToken200), Revocation::AnswerUnread),
    ] {
        let (doubted, _) = fleet.log_in_due(id).await;
        fleet.provider.inject(fault.once());
        for replica in &fleet.replicas {
            let why = eventually("a verdict", async || match replica.token(&doubted).await {
                Err(TokenError::LogIn { why }) => Some(why),
                Err(TokenError::RetryAt { .. }) => None,
                other => panic!("{id}: {other:?}"),
            });
            assert_eq!(why.await, expected, "{id}");
        }
        fleet.assert_presented(&doubted, 1);
    }
    fleet.shut_down().await;
}

/// N-12.
#[tokio::test]
async fn a_page_of_a_firewall_ends_no_grant_and_consumes_no_token() {
    let fleet = Fleet::start(Plan { mode: Mode::Redis, ..Plan::default() }).await;
    for status in [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED] {
        let (account, _) = fleet.log_in_due(status.as_str()).await;
        fleet.provider.inject(Fault::Answer(Reply::Html(status)).once());
        for replica in &fleet.replicas {
            eventually("a token", async || match replica.token(&account).await {
                Ok(token) => Some(token),
                Err(TokenError::RetryAt { .. }) => None,
                Err(other) => panic!("{status}: {other:?}"),
            })
            .await;
        }
        fleet.assert_all_serve_the_newest(&account).await;
        let tally = fleet.provider.tally_of(account.id());
        assert_eq!((tally.presentations, tally.rotations), (2, 1), "{status}");
        fleet.assert_nothing_burned();
    }
    fleet.shut_down().await;
}
