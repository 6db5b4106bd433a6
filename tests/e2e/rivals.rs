//! Replicas that get into each other's way, and a store that goes away, over a real Redis.

use std::{sync::Arc, time::Duration};

use solekey::{
    TokenError,
    core::{Revocation, ports::Clock as _},
};
use solekey_testkit::{
    memory::TestClock,
    provider::Fault,
    proxy::{FaultProxy, Mode as Fate},
    redis::RedisServer,
};

use crate::{
    blueprint::{Blueprint, Terms},
    fleet::{Fleet, Mode, Plan, document, log_in},
    wait::{eventually, within},
};

/// N-2.
#[tokio::test]
async fn a_pair_that_comes_while_the_store_is_down_is_served_and_committed_once_it_is_back() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let rows = format!("redis://{}", proxy.address());
    let mode = Mode::OwnRedisByTwoWays { rows, url: redis.url() };
    let fleet = Fleet::start(Plan { mode, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_due("a").await;
    fleet.provider.inject(Fault::HoldAfter.once());
    let (owner, at) = (fleet.first().clone(), account.clone());
    let owned = tokio::spawn(async move { owner.token(&at).await });
    within("the rotation", fleet.provider.held(account.id())).await;
    proxy.set(Fate::Refuse).await;
    fleet.provider.release(account.id());
    let newest = fleet.provider.newest(account.id()).unwrap().access_token;
    assert_eq!(within("a token", owned).await.unwrap().unwrap().expose_secret(), newest);
    for replica in &fleet.replicas {
        eventually("it is served", async || {
            let token = replica.token(&account).await.ok()?;
            (token.expose_secret() == newest).then_some(())
        })
        .await;
    }
    assert_eq!(fleet.seen.committed(), 0);
    fleet.assert_presented(&account, 1);
    proxy.set(Fate::Pass).await;
    eventually("it is committed", async || {
        let state = fleet.first().state(&account).await.ok()?;
        (state.rotations == 1).then_some(())
    })
    .await;
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

/// N-6.
#[tokio::test]
async fn clocks_that_differ_by_minutes_change_nothing_about_which_token_is_the_newest() {
    let mut fleet = Fleet::start(Plan { mode: Mode::Redis, replicas: 1, ..Plan::default() }).await;
    let minutes = Duration::from_mins(7);
    for ahead in [true, false] {
        let clock = TestClock::tokio();
        clock.set_wall(if ahead { clock.wall() + minutes } else { clock.wall() - minutes });
        let via = format!("replica-{}", fleet.replicas.len() + 1);
        let blueprint =
            Blueprint { token_url: fleet.provider.token_url_for(&via), ..fleet.blueprint.clone() };
        let builder = blueprint.builder().await.clock(Arc::new(clock));
        fleet.replicas.push(builder.build().await.unwrap());
    }
    let (account, _) = fleet.log_in_due("a").await;
    let mut generations = Vec::new();
    // Whoever refreshes, ahead or behind, publishes something newer than the one before.
    for at in [1, 2, 0, 2, 1] {
        let seen = generations.last().copied();
        let refreshed = within("a refresh", fleet.replicas[at].refresh(&account, seen)).await.unwrap();
        generations.push(refreshed.generation());
        for replica in &fleet.replicas {
            eventually("the newest is served", async || {
                let token = replica.token(&account).await.ok()?;
                (token.expose_secret() == refreshed.expose_secret()).then_some(())
            })
            .await;
        }
    }
    assert!(generations.is_sorted_by(|one, next| one < next), "{generations:?}");
    fleet.assert_presented(&account, 5);
    fleet.shut_down().await;
}

/// N-9.
#[tokio::test]
async fn a_request_that_was_not_answered_in_time_is_not_sent_again() {
    let terms = Terms { ask_login: true, ..Terms::quick() };
    let fleet = Fleet::start(Plan { mode: Mode::Redis, terms, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_due("a").await;
    fleet.provider.inject(Fault::HoldAfter.once());
    for replica in &fleet.replicas {
        let why = eventually("a verdict", async || match replica.token(&account).await {
            Err(TokenError::LogIn { why }) => Some(why),
            Err(TokenError::RetryAt { .. }) => None,
            other => panic!("{other:?}"),
        });
        assert_eq!(why.await, Revocation::InDoubt);
    }
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

/// N-11.
#[tokio::test]
async fn a_login_during_a_refresh_wins_on_every_replica() {
    let fleet = Fleet::start(Plan { mode: Mode::Redis, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_due("a").await;
    fleet.provider.inject(Fault::HoldAfter.once());
    let (owner, at) = (fleet.first().clone(), account.clone());
    let owned = tokio::spawn(async move { owner.token(&at).await });
    within("the rotation", fleet.provider.held(account.id())).await;
    let pair = fleet.provider.grant(account.id());
    let document = document(&pair, pair.expires_in);
    log_in(&fleet.replicas[1], &account, &document).await;
    fleet.provider.release(account.id());
    let token = within("a token", owned).await.unwrap().unwrap();
    assert_eq!(token.expose_secret(), pair.access_token);
    fleet.assert_all_serve_the_newest(&account).await;
    let rows = fleet.blueprint.rows().await;
    let loaded = eventually("a row", async || rows.load(&account).await.ok()).await;
    let row = loaded.record.unwrap().row;
    assert!(row.is_by_login(), "{row:?}");
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}
