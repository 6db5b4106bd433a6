//! Nothing stays in memory of what has ended, however it ended.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use solekey::{Provider, Solekey, Stats, TokenError};
use solekey_core::{
    Account, Delay, Dialect,
    ports::{ExchangeRequest, TokenEndpoint, Wire},
    secret,
};
use solekey_testkit::memory::TestClock;
use tokio::time::Instant;

use crate::fixture::{HOUR, Script, World, account, policy};

/// Waits until no flight is under way and nobody waits for one.
async fn emptied(replica: &Solekey, after: &str) {
    let bound = Instant::now() + 2 * HOUR;
    loop {
        let Stats { flights, waiting, .. } = replica.stats();
        if (flights, waiting) == (0, 0) {
            return;
        }
        assert!(Instant::now() < bound, "{flights} flights and {waiting} waiting, after {after}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_flight_and_no_waiter_stays_whatever_the_provider_answers() {
    for (what, script) in [
        ("a success", vec![]),
        ("nothing sent", vec![Script::NotSent]),
        ("a lost request", vec![Script::LoseRequest]),
        ("a lost answer", vec![Script::LoseAnswer]),
        ("an answer without a token", vec![Script::WithoutAccessToken]),
        ("a refusal", vec![Script::Answer(400, r#"{"error":"invalid_grant"}"#)]),
        ("a refused client", vec![Script::Answer(401, r#"{"error":"invalid_client"}"#)]),
        ("an answer that says nothing", vec![Script::Answer(500, "oops")]),
        ("a pause", vec![Script::Later(9)]),
    ] {
        let (world, account) = World::overdue().await;
        world.provider.script(script);
        let replica = world.replica().await;
        let asked = (0..5).map(|_| replica.token_within(&account, Duration::from_millis(300)));
        join_all(asked).await;
        emptied(&replica, what).await;
        let bound = Instant::now() + 3 * HOUR;
        while replica.stats().watched > 0 {
            assert!(Instant::now() < bound, "an account is watched for ever after {what}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        emptied(&replica, what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_flight_and_no_waiter_stays_whatever_is_away() {
    type Break = fn(&World);
    let breaks: [(&str, Break); 5] = [
        ("the store", |world| world.store.faults().leave()),
        ("the answers", |world| world.answers.faults().leave()),
        ("the lease", |world| world.lease.faults().leave()),
        ("the shared cache", |world| world.cache.faults().leave()),
        ("everything", |world| {
            world.lose_redis();
            world.store.faults().leave();
        }),
    ];
    for (what, leave) in breaks {
        let (world, account) = World::overdue().await;
        let replica = world.replica().await;
        leave(&world);
        let asked = (0..5).map(|_| replica.token_within(&account, Duration::from_millis(300)));
        join_all(asked).await;
        world.store.faults().come_back();
        world.find_redis();
        emptied(&replica, what).await;
        assert!(replica.token(&account).await.is_ok(), "{what}");
        emptied(&replica, what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_flight_and_no_waiter_stays_however_a_caller_leaves() {
    let (world, overdue) = World::overdue().await;
    let replica = world.replica().await;
    world.provider.close();
    let left = tokio::time::timeout(Duration::from_millis(50), replica.token(&overdue)).await;
    assert!(left.is_err());
    let late = replica.token_within(&overdue, Duration::from_millis(100)).await;
    assert!(matches!(late, Err(TokenError::RetryAt { .. })), "{late:?}");
    let Stats { flights, waiting, .. } = replica.stats();
    assert_eq!((flights, waiting), (1, 0), "the flight goes on without them");
    world.provider.open();
    emptied(&replica, "callers who left").await;

    assert!(matches!(replica.token(&account("nobody")).await, Err(TokenError::UnknownAccount)));
    emptied(&replica, "an unknown account").await;
    let draining = world.replica().await;
    draining.start_draining();
    draining.token(&account("late")).await.unwrap_err();
    emptied(&draining, "a request to a process that ends").await;
}

/// A token endpoint with a bug.
struct Panicking;

#[async_trait]
impl TokenEndpoint for Panicking {
    async fn exchange(&self, _: &Account, _: ExchangeRequest<'_>, _: Duration) -> Wire {
        panic!("a bug in the endpoint, which the test put there")
    }

    fn dialect(&self) -> &Dialect {
        static DIALECT: LazyLock<Dialect> = LazyLock::new(Dialect::rfc6749);
        &DIALECT
    }

    fn client(&self) -> &'static str {
        "panicking"
    }
}

#[tokio::test(start_paused = true)]
async fn no_flight_and_no_waiter_stays_after_a_panic() {
    let (world, account) = World::overdue().await;
    let replica = Solekey::builder()
        .provider(Provider::new("acme", policy(), Arc::new(Panicking)).unwrap())
        .store(world.store.clone())
        .answers(world.answers.clone())
        .without_refresher()
        .clock(Arc::new(TestClock::tokio()));
    let replica = replica.build().await.unwrap();
    join_all((0..5).map(|_| replica.token(&account))).await;
    emptied(&replica, "a panic").await;
}

/// The flight has delivered, and its pair is written down for as long as that takes.
#[tokio::test(start_paused = true)]
async fn a_caller_whom_a_flight_does_not_serve_waits_for_its_end_within_its_own_bound() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    world.provider.close();
    let asked = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.store.faults().leave();
    world.provider.open();
    let token = asked.await.unwrap().unwrap();
    assert_eq!(replica.stats().flights, 1, "the pair is not in the row yet");

    let began = Instant::now();
    let rejected = secret(token.expose_secret().to_owned());
    let asked = replica.token_after_rejected_secret(&account, &rejected);
    let error = tokio::time::timeout(HOUR, asked).await.expect("its bound ends").unwrap_err();
    assert!(matches!(error, TokenError::RetryAt { why: Delay::InFlight, .. }), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), policy().max_wait().as_secs());
    assert_eq!(replica.stats().flights, 1);

    world.store.faults().come_back();
    emptied(&replica, "a store that came back").await;
    let next = replica.token_after_rejected_secret(&account, &rejected).await.unwrap();
    assert_ne!(next.expose_secret(), token.expose_secret());
    assert_eq!(world.provider.doubles(), 0);
}
