//! An owner that is stopped between its request and the answer, or whose provider answers late.

use std::time::Duration;

use rustix::process::Signal;
use solekey_testkit::provider::{Delivery, Fault};

use crate::{
    blueprint::{Blueprint, Terms},
    fleet::{Fleet, Mode, Plan, newer},
    victim::{SERVES, Victim},
    wait::within,
};

/// As in the tests of killed owners.
const LEFT: Duration = Duration::from_secs(3);
/// A stop that no timer may notice before the bytes that came in it.
const MORE: Duration = Duration::from_secs(1);

/// The owner is stopped for so long with its request at the provider, which answers at once.
async fn stopped_for(mode: Mode, span: Duration) {
    let fleet = Fleet::start(Plan { mode, terms: Terms::quick(), ..Plan::default() }).await;
    let (account, _) = fleet.log_in_for("a", LEFT).await;
    let before = fleet.state(&account).await.generation;
    fleet.provider.inject(Fault::HoldAfter.once());
    let token_url = fleet.provider.token_url_for("victim");
    let blueprint = Blueprint { token_url, ..fleet.blueprint.clone() };
    let mut victim = Victim::start(blueprint, account.id(), before);
    within("the victim's request", fleet.provider.held(account.id())).await;
    victim.signal(Signal::STOP);
    fleet.provider.release(account.id());
    let sent = fleet
        .provider
        .wait_until(|provider| provider.log().last().is_some_and(|last| last.delivery == Delivery::Sent));
    within("the answer", sent).await;
    // The stop itself is what is tested.
    tokio::time::sleep(span).await;
    victim.signal(Signal::CONT);
    victim.reports(SERVES).await;
    let found = newer(fleet.first(), &account, before).await;
    assert_eq!(found.expose_secret(), fleet.provider.newest("a").unwrap().access_token);
    fleet.assert_presented(&account, 1);
    fleet.assert_nothing_burned();
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.shut_down().await;
}

#[tokio::test]
async fn an_owner_stopped_past_its_exchange_timeout_commits_the_answer_that_came_meanwhile() {
    stopped_for(Mode::RedisAndSqlite, Terms::quick().exchange_timeout + MORE / 4).await;
}

#[tokio::test]
async fn an_owner_stopped_past_its_until_commits_the_answer_that_came_meanwhile() {
    stopped_for(Mode::RedisAndSqlite, Terms::quick().quarantine + MORE).await;
}

#[tokio::test]
async fn an_owner_stopped_past_its_until_without_redis_commits_the_answer_that_came_meanwhile() {
    stopped_for(Mode::Embedded, Terms::quick().quarantine + MORE).await;
}

#[tokio::test]
async fn an_owner_stopped_for_longer_than_answers_are_read_commits_the_one_that_came_meanwhile() {
    stopped_for(Mode::Embedded, Terms::quick().quarantine * 4 + MORE).await;
}

/// The provider answers between the exchange timeout and the attempt's `until`, or after it.
#[tokio::test]
async fn an_answer_that_comes_after_the_exchange_timeout_is_committed() {
    for late in [Terms::quick().exchange_timeout + MORE / 2, Terms::quick().quarantine + MORE * 2] {
        let fleet =
            Fleet::start(Plan { mode: Mode::RedisAndSqlite, terms: Terms::quick(), ..Plan::default() }).await;
        let (account, _) = fleet.log_in_due("a").await;
        let before = fleet.state(&account).await.generation;
        fleet.provider.inject(Fault::DelayAnswer(late).once());
        let found = newer(fleet.first(), &account, before).await;
        assert_eq!(found.expose_secret(), fleet.provider.newest("a").unwrap().access_token);
        fleet.assert_presented(&account, 1);
        fleet.assert_all_serve_the_newest(&account).await;
        fleet.shut_down().await;
    }
}
