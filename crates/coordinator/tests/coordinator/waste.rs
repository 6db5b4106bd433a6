//! Executions that broke earlier rules, played with whole replicas: outages, storms and needless rotations.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey::{SealKeys, Solekey, TokenError};
use solekey_core::{
    Account, Delay, Generation, Sealed, StoreTime,
    ports::{Cache, CacheEntry, Heard, Listen, Publication, Store as _, Trouble},
};
use solekey_testkit::memory::MemoryCache;

use crate::fixture::{HOUR, Script, World, policy};

const OLD: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "k2:HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=";

async fn sealed(world: &World, ring: &str) -> Solekey {
    world.builder(policy()).seal(SealKeys::parse(ring).unwrap()).build().await.unwrap()
}

fn secret(token: Result<solekey::AccessToken, TokenError>) -> String {
    token.unwrap().expose_secret().to_owned()
}

/// B1.
#[tokio::test(start_paused = true)]
async fn a_replica_that_lacks_an_accounts_key_leaves_it_to_the_others() {
    let world = World::new();
    let account = crate::fixture::account("a");
    let lacks = sealed(&world, OLD).await;
    let document = world.provider.grant("a", Duration::from_secs(1));
    lacks.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let has = sealed(&world, &format!("{NEW},{OLD}")).await;
    assert_eq!(secret(has.token(&account).await), "access-a-2");

    // While the token is good the trouble has a name; nothing is presented.
    let answer = lacks.token(&account).await.unwrap_err();
    assert!(matches!(&answer, TokenError::Configuration { field, .. } if field == "seal.key"), "{answer:?}");
    tokio::time::sleep(HOUR).await;
    for _ in 0..5 {
        let answer = lacks.token_within(&account, Duration::from_millis(100)).await.unwrap_err();
        // Or it has learnt that the others have put everything under the new key.
        let learnt = matches!(&answer, TokenError::Configuration { field, .. } if field == "seal.key");
        let cools_down = matches!(answer, TokenError::RetryAt { why: Delay::Unreachable, .. });
        assert!(learnt || cools_down, "{answer:?}");
    }
    assert_eq!(world.provider.presentations(), 1);
    let began = tokio::time::Instant::now();
    assert_eq!(secret(has.token(&account).await), "access-a-3");
    assert!(began.elapsed() < Duration::from_secs(1), "nobody else cools down");
    assert_eq!(world.provider.doubles(), 0);
}

/// B2.
#[tokio::test(start_paused = true)]
async fn one_account_whose_client_is_refused_stops_no_other_account() {
    let world = World::new();
    let mut accounts = Vec::new();
    for id in ["own-client", "b", "c", "d"] {
        accounts.push(world.log_in(id, Duration::from_secs(1)).await);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replica = world.replica().await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(600)).await;
        world.provider.script([Script::Answer(401, r#"{"error":"invalid_client"}"#)]);
        let answer = replica.token_within(&accounts[0], Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(answer, TokenError::RetryAt { why: Delay::OurFault, .. }), "{answer:?}");
    }
    for account in &accounts[1..] {
        assert!(replica.token_within(account, Duration::from_millis(300)).await.is_ok());
    }
}

/// A shared cache whose notifications are all lost, and nobody notices.
struct Deaf(Arc<MemoryCache>);

struct Silence;

#[async_trait]
impl Listen for Silence {
    async fn next(&mut self) -> Option<Heard> {
        std::future::pending().await
    }
}

#[async_trait]
impl Cache for Deaf {
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble> {
        self.0.read(account).await
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        self.0.time().await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        self.0.publish(account, publication).await
    }

    async fn reject(&self, account: &Account, generation: Generation, proof: &Sealed) -> Result<(), Trouble> {
        self.0.reject(account, generation, proof).await
    }

    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        self.0.clear_rejection(account, generation).await
    }

    async fn forget(&self, account: &Account) -> Result<(), Trouble> {
        Cache::forget(&*self.0, account).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(Silence)
    }
}

async fn deaf(world: &World) -> Solekey {
    let cache = Arc::new(Deaf(Arc::clone(&world.cache)));
    world.embedded(policy()).cache(cache).lease(world.lease.clone()).build().await.unwrap()
}

/// Serves the account in use, second after second.
async fn used_for(replica: &Solekey, account: &Account, secs: u32) -> Result<String, TokenError> {
    for _ in 1..secs {
        let _ = replica.token(account).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    replica.token(account).await.map(|token| token.expose_secret().to_owned())
}

/// B6.
#[tokio::test(start_paused = true)]
async fn a_login_and_a_delete_whose_notifications_were_lost_are_seen_within_half_a_minute() {
    for delete in [false, true] {
        let world = World::new();
        let account = world.log_in("a", HOUR).await;
        let (deaf, operator) = (deaf(&world).await, world.replica().await);
        assert_eq!(secret(deaf.token(&account).await), "access-a-1");
        if delete {
            operator.delete(&account).await.unwrap();
        } else {
            let document = world.provider.grant("a", HOUR);
            operator.login(&account, document.as_bytes(), false).await.unwrap();
        }
        match used_for(&deaf, &account, 33).await {
            Ok(token) => assert!(!delete && token == "access-a-2", "{token}"),
            Err(error) => assert!(delete && matches!(error, TokenError::UnknownAccount), "{error:?}"),
        }
    }
}

/// B6.
#[tokio::test(start_paused = true)]
async fn a_login_whose_notification_was_lost_ends_a_log_in_within_seconds() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    let (deaf, operator) = (deaf(&world).await, world.replica().await);
    assert!(matches!(deaf.token(&account).await, Err(TokenError::LogIn { .. })));
    let document = world.provider.grant("a", HOUR);
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    assert_eq!(used_for(&deaf, &account, 4).await.unwrap(), "access-a-2");
}

/// B7.
#[tokio::test(start_paused = true)]
async fn requests_inside_refresh_ahead_do_not_each_try_a_provider_that_is_down() {
    for (script, presented) in [(Script::Later(60), 1), (Script::NotSent, 0), (Script::Hide(503), 1)] {
        let world = World::new();
        let account = world.log_in("a", HOUR).await;
        let replica = world.replica().await;
        replica.token(&account).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3600 - 300)).await;
        world.provider.script(vec![script; 1000]);
        let before = world.store.faults().calls("load");
        for _ in 0..2000 {
            assert_eq!(secret(replica.token(&account).await), "access-a-1");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let reads = world.store.faults().calls("load") - before;
        assert!(reads <= 40, "{reads} reads in ten seconds");
        assert_eq!(world.provider.presentations(), presented);
    }
}

/// B8.
#[tokio::test(start_paused = true)]
async fn what_was_committed_while_redis_was_away_is_published_once_it_is_back() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (owner, warm) = (world.replica().await, world.replica().await);
    warm.token(&account).await.unwrap();
    world.lose_redis();
    assert_eq!(secret(owner.refresh(&account, None).await), "access-a-2");
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.find_redis();
    // Redis shows what it had; whoever holds the newer token does not go back to it.
    assert_eq!(secret(owner.token(&account).await), "access-a-2");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let newest = world.store.load(&account).await.unwrap().record.unwrap().row.generation;
    assert_eq!(world.cache.read(&account).await.unwrap().token.map(|token| token.generation), Some(newest));
    for replica in [&warm, &world.replica().await] {
        assert_eq!(used_for(replica, &account, 3).await.unwrap(), "access-a-2");
    }
    assert_eq!(world.provider.presentations(), 1);
}

/// B9.
#[tokio::test(start_paused = true)]
async fn tokens_that_have_ended_a_second_later_cost_a_rotation_every_five_seconds() {
    // Of a token that lasts for no time at all, half an hour is assumed.
    for (lasting, expected) in [(1, 3..=5), (0, 1..=1)] {
        let (world, account) = World::overdue().await;
        world.provider.script(vec![Script::Lasting(lasting); 1000]);
        let replicas = [world.replica().await, world.replica().await];
        let began = tokio::time::Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            for replica in &replicas {
                let _ = replica.token_within(&account, Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        let rotations = world.provider.presentations();
        assert!(expected.contains(&rotations), "{rotations} rotations in twenty seconds");
    }
}

/// B10.
#[tokio::test(start_paused = true)]
async fn within_the_skew_a_replica_that_starts_serves_the_last_token_there_is() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    tokio::time::sleep(Duration::from_secs(3600 - 30)).await;
    world.store.faults().leave();
    let cold = world.replica().await;
    let token = cold.token_within(&account, Duration::from_secs(1)).await.unwrap();
    assert_eq!((token.expose_secret(), token.is_stale()), ("access-a-1", true));
    tokio::time::sleep(Duration::from_secs(30)).await;
    let answer = cold.token_within(&account, Duration::from_secs(1)).await;
    assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "not past its end: {answer:?}");
}

/// B11.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_a_year_costs_an_hour_and_a_login_ends_that() {
    for login in [false, true] {
        let (world, account) = World::overdue().await;
        world.provider.script([Script::Later(u16::MAX)]);
        let (one, other) = (world.replica().await, world.replica().await);
        one.token(&account).await.unwrap_err();
        if login {
            let document = world.provider.grant("a", HOUR);
            one.login(&account, document.as_bytes(), false).await.unwrap();
        } else {
            other.token(&account).await.unwrap_err();
            assert_eq!(world.provider.presentations(), 1);
            tokio::time::sleep(HOUR).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(secret(other.token(&account).await), "access-a-2");
    }
}

/// B16.
#[tokio::test(start_paused = true)]
async fn every_click_on_refresh_now_is_not_a_rotation() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replicas = [world.replica().await, world.replica().await];
    let seen = replicas[0].token(&account).await.unwrap().generation();
    tokio::time::sleep(Duration::from_secs(60)).await;
    for click in 0..10 {
        // Each sees the page as it was, and names what it shows.
        let token = replicas[click % 2].refresh(&account, Some(seen)).await;
        assert_eq!(secret(token), "access-a-2");
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(world.provider.presentations(), 1);
    for _ in 0..10 {
        assert_eq!(secret(replicas[0].refresh(&account, None).await), "access-a-3");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(
        world.provider.presentations(),
        2,
        "without a name, any success of the last five seconds will do"
    );
}
