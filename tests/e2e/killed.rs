//! One owner is killed in the middle of a refresh.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use solekey::{
    Status, TokenError,
    core::{Account, Revocation},
};
use solekey_testkit::{
    postgres::is_waived,
    provider::{Decision, Fault},
    proxy::{FaultProxy, Mode as Fate},
    redis::RedisServer,
};

use crate::{
    blueprint::{Blueprint, Terms},
    fleet::{Fleet, Mode, Plan, newer},
    stops::Stop,
    victim::{SERVES, Victim},
    wait::{eventually, within},
};

/// So long that the victim's claim comes when the place of answers already vouches for what is missing.
const LEFT: Duration = Duration::from_secs(3);

async fn fleet(mode: Mode) -> Fleet {
    Fleet::start(Plan { mode, terms: Terms::quick(), ..Plan::default() }).await
}

/// A replica that stops there, and has got that far.
async fn stopped(fleet: &Fleet, account: &Account, stop: Stop) -> Victim {
    let token_url = fleet.provider.token_url_for("victim");
    let blueprint = Blueprint { token_url, stop: Some(stop), ..fleet.blueprint.clone() };
    let generation = fleet.state(account).await.generation;
    let mut victim = Victim::start(blueprint, account.id(), generation);
    let point = if stop == Stop::BeforeCommit { SERVES.to_owned() } else { format!("{stop:?}") };
    victim.reports(&point).await;
    victim
}

async fn after_the_claim(mode: Mode) {
    let fleet = fleet(mode).await;
    let (account, _) = fleet.log_in_for("a", LEFT).await;
    let before = fleet.state(&account).await.generation;
    let victim = stopped(&fleet, &account, Stop::BeforeSending).await;
    // In doubt, where this machine has come to a halt for the time of an attempt.
    let status = fleet.state(&account).await.status;
    assert!(matches!(status, Status::Refreshing | Status::InDoubt), "{status:?}");
    assert_eq!(fleet.provider.presentations(), 0);
    victim.kill().await;
    let killed = Instant::now();
    let (tokens, ()) = tokio::join!(fleet.newer(&account, before), async {
        within("a presentation", fleet.provider.wait_until(|provider| provider.presentations() > 0)).await;
        // Whoever takes over watches the attempt for as long as it may be in flight.
        assert!(killed.elapsed() >= fleet.blueprint.terms.quarantine);
    });
    assert!(tokens.iter().all(|token| !token.is_stale()));
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

#[tokio::test]
async fn killed_after_the_claim_another_replica_presents_once_its_time_is_over() {
    after_the_claim(Mode::RedisAndSqlite).await;
}

#[tokio::test]
async fn killed_after_the_claim_without_redis_another_replica_presents_once_its_time_is_over() {
    after_the_claim(Mode::Embedded).await;
}

#[tokio::test]
async fn killed_after_the_claim_on_one_postgres_another_replica_presents_once_its_time_is_over() {
    if is_waived() {
        return;
    }
    after_the_claim(Mode::Postgres).await;
}

/// N-5: The window that remains: the provider has rotated, and the only process that knew the pair is gone.
#[tokio::test]
async fn killed_after_the_body_was_read_the_account_is_tried_once_more_when_nothing_is_left_to_lose() {
    let fleet = fleet(Mode::RedisAndSqlite).await;
    let logged_in = Instant::now();
    let (account, pair) = fleet.log_in_for("a", LEFT).await;
    let victim = stopped(&fleet, &account, Stop::AfterBody).await;
    fleet.assert_presented(&account, 1);
    victim.kill().await;
    let refused = eventually("a verdict", async || match fleet.first().token(&account).await {
        Ok(token) => {
            assert_eq!(token.expose_secret(), pair.access_token);
            assert_eq!(fleet.provider.presentations(), 1, "the access token was still good");
            None
        }
        Err(TokenError::LogIn { why }) => Some(why),
        Err(TokenError::RetryAt { .. }) => None,
        Err(error) => panic!("{error}"),
    });
    assert_eq!(refused.await, Revocation::AnswerLost);
    assert!(logged_in.elapsed() >= LEFT);
    assert_eq!(fleet.provider.log().last().map(|last| last.decision), Some(Decision::Burned));
    for replica in &fleet.replicas {
        let answer = within("a verdict", replica.token(&account)).await;
        assert!(matches!(answer, Err(TokenError::LogIn { .. })), "{answer:?}");
    }
    assert_eq!(fleet.state(&account).await.status, Status::LoginNeeded);
    assert_eq!(fleet.provider.presentations(), 2);
    fleet.log_in(account.id()).await;
    for replica in &fleet.replicas {
        // The notification of a login arrives some microseconds after the login has returned.
        eventually("the login is known", async || match replica.token(&account).await {
            Ok(token) => Some(token),
            Err(TokenError::LogIn { .. }) => None,
            Err(error) => panic!("{error}"),
        })
        .await;
    }
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.shut_down().await;
}

#[tokio::test]
async fn killed_after_the_body_was_read_nothing_is_presented_again_where_a_login_is_preferred() {
    let terms = Terms { ask_login: true, ..Terms::quick() };
    let fleet = Fleet::start(Plan { mode: Mode::RedisAndSqlite, terms, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_for("a", LEFT).await;
    stopped(&fleet, &account, Stop::AfterBody).await.kill().await;
    for replica in &fleet.replicas {
        let why = eventually("a verdict", async || match replica.token(&account).await {
            Err(TokenError::LogIn { why }) => Some(why),
            Ok(_) | Err(TokenError::RetryAt { .. }) => None,
            Err(error) => panic!("{error}"),
        });
        assert_eq!(why.await, Revocation::InDoubt);
    }
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

#[tokio::test]
async fn killed_after_the_body_was_read_a_window_of_grace_brings_the_pair_back() {
    let terms = Terms { grace: Some(Duration::from_mins(10)), ..Terms::quick() };
    let fleet = Fleet::start(Plan { mode: Mode::Embedded, terms, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_for("a", LEFT).await;
    let before = fleet.state(&account).await.generation;
    stopped(&fleet, &account, Stop::AfterBody).await.kill().await;
    fleet.newer(&account, before).await;
    fleet.assert_all_serve_the_newest(&account).await;
    let tally = fleet.provider.tally();
    assert_eq!((tally.presentations, tally.rotations, tally.allowed_replays), (2, 1, 1));
    fleet.assert_nothing_burned();
    fleet.shut_down().await;
}

/// The victim's pair is refreshed in the end: whoever does so must have found it among the answers.
async fn before_the_commit(mode: Mode) {
    let fleet = fleet(mode).await;
    let (account, _) = fleet.log_in_for("a", LEFT).await;
    let before = fleet.state(&account).await;
    let victim = stopped(&fleet, &account, Stop::BeforeCommit).await;
    let after = fleet.state(&account).await;
    assert_eq!((after.generation, after.rotations), (before.generation, 0));
    victim.kill().await;
    assert_another_process_commits(&fleet, &account).await;
    fleet.shut_down().await;
}

async fn assert_another_process_commits(fleet: &Fleet, account: &Account) {
    let victims = fleet.provider.newest(account.id()).unwrap();
    let before = fleet.state(account).await.generation;
    let found = newer(fleet.first(), account, before).await;
    assert_eq!(found.expose_secret(), victims.access_token);
    fleet.assert_presented(account, 1);
    within("a refresh", fleet.first().refresh(account, Some(found.generation()))).await.expect("a token");
    fleet.newer(account, found.generation()).await;
    fleet.assert_all_serve_the_newest(account).await;
    fleet.assert_presented(account, 2);
    fleet.has_reported(1, 1).await;
    assert_eq!(fleet.state(account).await.rotations, 2);
}

#[tokio::test]
async fn killed_before_the_commit_another_process_commits_the_answer() {
    before_the_commit(Mode::RedisAndSqlite).await;
}

#[tokio::test]
async fn killed_before_the_commit_without_redis_another_process_commits_the_answer() {
    before_the_commit(Mode::Embedded).await;
}

#[tokio::test]
async fn killed_before_the_commit_on_one_postgres_another_process_commits_the_answer() {
    if is_waived() {
        return;
    }
    before_the_commit(Mode::Postgres).await;
}

#[tokio::test]
async fn killed_while_the_store_is_down_another_process_commits_the_answer_when_the_store_is_back() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let mode = Mode::OwnRedisByTwoWays { rows: url(proxy.address()), url: redis.url() };
    let fleet = Fleet::start(Plan { mode, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_for("a", LEFT).await;
    let before = fleet.state(&account).await.generation;
    fleet.provider.inject(Fault::HoldBefore.once());
    let token_url = fleet.provider.token_url_for("victim");
    let blueprint = Blueprint { token_url, ..fleet.blueprint.clone() };
    let mut victim = Victim::start(blueprint, account.id(), before);
    within("the victim's request", fleet.provider.held(account.id())).await;
    proxy.set(Fate::Refuse).await;
    fleet.provider.release(account.id());
    victim.reports(SERVES).await;
    victim.kill().await;
    // Others may serve it already, from the shared cache; none of them can have committed it.
    assert!(fleet.first().state(&account).await.is_err());
    assert_eq!((fleet.seen.recovered(), fleet.seen.committed()), (0, 0));
    proxy.set(Fate::Pass).await;
    eventually("the store", async || fleet.first().state(&account).await.ok()).await;
    assert_another_process_commits(&fleet, &account).await;
    fleet.shut_down().await;
}

fn url(address: SocketAddr) -> String {
    format!("redis://{address}/")
}
