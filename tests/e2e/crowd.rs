//! Many callers on several replicas want the same thing at once.

use std::time::Duration;

use solekey::{
    AccessToken, Rejection, Solekey, TokenError,
    core::{Account, Delay},
};
use solekey_testkit::{postgres::is_waived, provider::Fault};
use tokio::task::JoinSet;

use crate::{
    fleet::{Fleet, Mode, Plan},
    wait::{eventually, within},
};

const REPLICAS: usize = 4;
const CALLERS: usize = 200;

async fn fleet(mode: Mode) -> Fleet {
    Fleet::start(Plan { mode, replicas: REPLICAS, ..Plan::default() }).await
}

/// Waits until this many requests wait, over all replicas.
async fn waiting(fleet: &Fleet, callers: usize) {
    eventually("all callers wait", async || {
        let mut waiting = 0;
        for replica in &fleet.replicas {
            waiting += replica.health().await.waiting;
        }
        if waiting == callers { Ok(()) } else { Err(waiting) }
    })
    .await;
}

async fn delivered(callers: JoinSet<Result<AccessToken, TokenError>>) -> Vec<AccessToken> {
    let tokens = within("all callers are answered", callers.join_all()).await;
    tokens.into_iter().map(|token| token.expect("a token")).collect()
}

async fn one_presentation(mode: Mode) {
    let fleet = fleet(mode).await;
    let (account, _) = fleet.log_in_due("a").await;
    fleet.provider.inject(Fault::HoldBefore.once());
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (replica, account) = (fleet.replicas[caller % REPLICAS].clone(), account.clone());
        callers.spawn(async move { replica.token(&account).await });
    }
    within("the owner's request", fleet.provider.held(account.id())).await;
    waiting(&fleet, CALLERS).await;
    fleet.provider.release(account.id());
    let tokens = delivered(callers).await;
    let newest = fleet.provider.newest(account.id()).unwrap();
    assert_eq!(tokens.len(), CALLERS);
    assert!(tokens.iter().all(|token| token.expose_secret() == newest.access_token && !token.is_stale()));
    fleet.assert_presented(&account, 1);
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.shut_down().await;
}

/// C-T7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_on_four_replicas_cost_one_presentation() {
    one_presentation(Mode::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_on_four_replicas_cost_one_presentation_with_rows_in_sqlite() {
    one_presentation(Mode::RedisAndSqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_on_four_replicas_cost_one_presentation_without_redis() {
    one_presentation(Mode::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_on_four_replicas_cost_one_presentation_on_one_postgres() {
    if is_waived() {
        return;
    }
    one_presentation(Mode::Postgres).await;
}

async fn rejection(fleet: &Fleet, replica: &Solekey, account: &Account) -> Rejection {
    let token = replica.token(account).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(fleet.provider.resource_url()).header("authorization", token.bearer());
    let answer = request.send().await.unwrap();
    let evidence = token.rejected_by(answer.status(), answer.headers());
    evidence.unwrap_or_else(|| panic!("{}; {}", answer.status(), fleet.provider.log_json_lines()))
}

/// Everybody reports the same token at once.
async fn one_rotation(mode: Mode, replicas: usize, callers: usize) {
    let fleet = Fleet::start(Plan { mode, replicas, ..Plan::default() }).await;
    let (account, pair) = fleet.log_in("a").await;
    assert!(fleet.provider.reject_access(&pair.access_token));
    let mut rejections = Vec::new();
    for replica in &fleet.replicas {
        rejections.push(rejection(&fleet, replica, &account).await);
    }
    fleet.provider.inject(Fault::HoldBefore.once());
    let mut reporters = JoinSet::new();
    for reporter in 0..callers {
        let (replica, account) = (fleet.replicas[reporter % replicas].clone(), account.clone());
        let rejection = rejections[reporter % replicas].clone();
        reporters.spawn(async move { replica.token_after_rejection(&account, rejection).await });
    }
    within("the owner's request", fleet.provider.held(account.id())).await;
    waiting(&fleet, callers).await;
    // Once reported it is withheld from those who have not noticed, too.
    let mut innocents = JoinSet::new();
    for replica in &fleet.replicas {
        let (replica, account) = (replica.clone(), account.clone());
        innocents.spawn(async move { replica.token(&account).await });
    }
    waiting(&fleet, callers + replicas).await;
    fleet.provider.release(account.id());
    let tokens = [delivered(reporters).await, delivered(innocents).await].concat();
    let newest = fleet.provider.newest(account.id()).unwrap();
    assert_ne!(newest.access_token, pair.access_token);
    assert_eq!(tokens.len(), callers + replicas);
    assert!(tokens.iter().all(|token| token.expose_secret() == newest.access_token));
    // Those who come late with the old evidence are shown what there is.
    for (replica, rejection) in fleet.replicas.iter().zip(rejections) {
        let token = within("a token", replica.token_after_rejection(&account, rejection)).await.unwrap();
        assert_eq!(token.expose_secret(), newest.access_token);
    }
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reports_of_one_rejected_token_on_four_replicas_cost_one_rotation() {
    one_rotation(Mode::Redis, REPLICAS, CALLERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reports_of_one_rejected_token_cost_one_rotation_without_redis() {
    one_rotation(Mode::Embedded, REPLICAS, CALLERS).await;
}

/// N-8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_replicas_with_ten_callers_each_that_report_one_token_cost_one_rotation() {
    one_rotation(Mode::Redis, 100, 1_000).await;
}

#[tokio::test]
async fn a_successor_that_is_rejected_as_well_is_taken_for_the_resources_fault() {
    let fleet = fleet(Mode::Redis).await;
    let (account, pair) = fleet.log_in("a").await;
    assert!(fleet.provider.reject_access(&pair.access_token));
    let evidence = rejection(&fleet, &fleet.replicas[0], &account).await;
    let successor = fleet.replicas[0].token_after_rejection(&account, evidence).await.unwrap();
    assert!(fleet.provider.reject_access(successor.expose_secret()));
    for replica in &fleet.replicas {
        let evidence = rejection(&fleet, replica, &account).await;
        let refused = within("an answer", replica.token_after_rejection(&account, evidence)).await;
        let Err(TokenError::RetryAt { why: Delay::RejectedAgain, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(refused.unwrap_err().retry_after() > Some(Duration::from_mins(1)));
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), successor.expose_secret());
    }
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}
