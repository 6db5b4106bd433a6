//! Attempts in doubt, with the numbers that are there unless somebody changes them.

use std::{sync::Arc, time::Duration};

use solekey::{Solekey, TokenError};
use solekey_core::{Account, Policy, PolicySettings, Replay, ports::Clock as _};
use solekey_testkit::memory::TestClock;

use crate::fixture::{HOUR, Script, World};

const BAD_GATEWAY: Script = Script::Answer(502, "<html>bad gateway</html>");
const REPLAYS: [Replay; 2] = [Replay::STRICT, Replay::STRICT_FAMILY];

/// The longest time that the account may stay without a token: until the attempt's span is over, one skew after its token's end,
/// and what the watch takes beyond that.
const PATIENCE: Duration = Duration::from_secs(180);

fn defaults(replay: Replay) -> Policy {
    PolicySettings { replay, ..PolicySettings::default() }.build().unwrap()
}

/// A world whose account has no token left and whose provider answers the next exchange with a page of some proxy.
async fn doubtful() -> (World, Account) {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(30)).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    world.provider.script([BAD_GATEWAY]);
    (world, account)
}

/// A replica whose clock can be read.
struct Timed {
    replica: Solekey,
    clock: TestClock,
}

async fn timed(world: &World, replay: Replay) -> Timed {
    let clock = TestClock::tokio();
    let builder = world.builder(defaults(replay)).clock(Arc::new(clock.clone()));
    Timed { replica: builder.build().await.unwrap(), clock }
}

impl Timed {
    async fn has_to_come_back_later(&self, account: &Account) -> bool {
        matches!(self.replica.token(account).await, Err(TokenError::RetryAt { .. }))
    }

    /// Asks as a client does that honours `Retry-After`, until there is a token.
    async fn persist(&self, account: &Account) -> String {
        let asked = async {
            loop {
                match self.replica.token(account).await {
                    Ok(token) => return token.expose_secret().to_owned(),
                    Err(TokenError::RetryAt { at, .. }) => {
                        tokio::time::sleep(at.duration_since(self.clock.wall()).unwrap()).await;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the doubt ends")
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_gateway_costs_clients_that_honour_retry_after_a_bounded_wait() {
    for replay in REPLAYS {
        let (world, account) = doubtful().await;
        let replica = timed(&world, replay).await;
        assert_eq!(replica.persist(&account).await, "access-a-2", "{replay:?}");
        assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
    }
}

/// A13.
#[tokio::test(start_paused = true)]
async fn an_account_in_doubt_is_refreshed_without_another_request_for_it() {
    for replay in REPLAYS {
        let (world, account) = doubtful().await;
        let replica = timed(&world, replay).await;
        assert!(replica.has_to_come_back_later(&account).await);
        tokio::time::sleep(PATIENCE).await;
        assert_eq!(world.provider.presentations(), 2, "{replay:?}: presented again by itself");
        assert_eq!(replica.replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
        assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubt_outlives_the_process_that_had_it() {
    for replay in REPLAYS {
        for restart_after in [1, 10, 70] {
            let (world, account) = doubtful().await;
            let first = timed(&world, replay).await;
            assert!(first.has_to_come_back_later(&account).await);
            tokio::time::sleep(Duration::from_secs(restart_after)).await;
            first.replica.shutdown(Duration::ZERO).await;
            let second = timed(&world, replay).await;
            assert_eq!(second.persist(&account).await, "access-a-2", "{replay:?}");
            assert_eq!(world.provider.doubles(), 0);
        }
    }
}

/// S-T68.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_for_an_hour_costs_no_account() {
    for replay in REPLAYS {
        let (world, account) = doubtful().await;
        world.provider.script(vec![BAD_GATEWAY; 1000]);
        let replica = timed(&world, replay).await;
        assert!(replica.has_to_come_back_later(&account).await);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(world.provider.presentations() > 20, "it is tried again and again");
        world.provider.script([]);
        tokio::time::sleep(PATIENCE).await;
        assert_eq!(
            replica.replica.token(&account).await.unwrap().expose_secret(),
            "access-a-2",
            "{replay:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn with_its_store_alone_a_process_watches_as_well() {
    let (world, account) = doubtful().await;
    world.cache.faults().leave();
    world.lease.faults().leave();
    let replica = timed(&world, Replay::STRICT_FAMILY).await;
    assert_eq!(replica.persist(&account).await, "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn replicas_that_watch_the_same_doubt_present_once() {
    let (world, account) = doubtful().await;
    let replicas = [
        timed(&world, Replay::STRICT_FAMILY).await,
        timed(&world, Replay::STRICT_FAMILY).await,
        timed(&world, Replay::STRICT_FAMILY).await,
    ];
    let asked = replicas.iter().map(|replica| replica.persist(&account));
    for token in futures_util::future::join_all(asked).await {
        assert_eq!(token, "access-a-2");
    }
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_risked_once_its_token_has_ended_without_any_further_request() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let Timed { replica, .. } = timed(&world, Replay::STRICT_FAMILY).await;
    replica.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600 - 500)).await;
    world.provider.script([BAD_GATEWAY]);
    replica.token(&account).await.unwrap();
    // Up to the token's end and one skew.
    tokio::time::sleep(Duration::from_secs(555)).await;
    assert_eq!(world.provider.presentations(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.provider.presentations(), 2);
    let loads = world.store.faults().calls("load");
    assert!(loads < 60, "most of the time is slept through: {loads}");
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
}
