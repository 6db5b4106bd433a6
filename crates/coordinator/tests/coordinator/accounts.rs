//! Logins and deletes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use solekey::{AccountError, Change, Login, Provider, Status, TokenError};
use solekey_core::{
    Account, Moment, PolicySettings, Replay,
    ports::{Cache as _, Clock},
};
use solekey_testkit::memory::TestClock;

use crate::fixture::{HOUR, Script, World, account, policy, seal};

/// A12.
#[tokio::test(start_paused = true)]
async fn the_same_document_changes_nothing_and_a_spent_one_is_refused() {
    let world = World::new();
    let account = account("a");
    let replica = world.replica().await;
    let document = world.provider.grant("a", Duration::from_secs(1));
    assert!(matches!(replica.login(&account, document.as_bytes(), false).await.unwrap(), Login::New { .. }));
    assert!(matches!(replica.login(&account, document.as_bytes(), false).await.unwrap(), Login::Same { .. }));
    tokio::time::sleep(Duration::from_secs(2)).await;
    replica.token(&account).await.unwrap();
    let again = replica.login(&account, document.as_bytes(), false).await.unwrap();
    assert_eq!(again, Login::AlreadyPresented);
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    let forced = replica.login(&account, document.as_bytes(), true).await.unwrap();
    assert!(matches!(forced, Login::New { .. }));
}

fn pair(access: &str, refresh: &str, more: &str) -> String {
    format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}"{more}}}"#)
}

/// A23.
#[tokio::test(start_paused = true)]
async fn a_corrected_document_is_taken_and_its_refresh_token_is_presented_no_earlier() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (one, other) = (world.replica().await, world.replica().await);
    other.token(&account).await.unwrap();
    let end = one.export(&account).await.unwrap().expires_at().unwrap();
    let wall = (end - HOUR).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let login = async |document: &str| one.login(&account, document.as_bytes(), false).await;

    let newer =
        pair("access-b", "refresh-a-1", &format!(",\"expires_at\":{},\"key_id\":\"k2\"", wall + 7200));
    let Login::Amended { generation } = login(&newer).await.unwrap() else { panic!("it is newer") };
    // The notification marks the entry; the read it causes runs behind the first request.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let _ = other.token(&account).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for replica in [&one, &other] {
        let token = replica.token(&account).await.unwrap();
        assert_eq!((token.expose_secret(), token.generation()), ("access-b", generation));
    }
    let older = pair("access-a-1", "refresh-a-1", &format!(",\"expires_at\":{}", wall + 60));
    for same in [&newer, &older] {
        assert_eq!(login(same).await.unwrap(), Login::Same { generation }, "{same}");
    }
    let exported = one.export(&account).await.unwrap();
    assert!(exported.expose_credential().unwrap().document().render().contains("k2"));
    assert_eq!(world.provider.presentations(), 0);

    // While its refresh token is on its way, or may have been spent, a correction is not taken.
    world.provider.script([Script::LoseAnswer]);
    world.provider.close();
    let refreshing = tokio::spawn({
        let (one, account) = (one.clone(), account.clone());
        async move { one.refresh(&account, None).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let latest = pair("access-c", "refresh-a-1", &format!(",\"expires_at\":{}", wall + 9000));
    assert!(matches!(login(&latest).await, Err(AccountError::Busy)));
    world.provider.open();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(matches!(login(&latest).await, Err(AccountError::Busy)), "the answer is lost");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
    refreshing.abort();
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_a_person_asks_for_is_waited_for_where_requests_do_not_wait() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let impatient = PolicySettings {
        replay: Replay::STRICT_FAMILY,
        exchange_timeout: Duration::from_secs(10),
        max_wait: Duration::ZERO,
        ..PolicySettings::default()
    };
    let replica = world.replica_with(impatient.build().unwrap()).await;
    let token = replica.refresh(&account, None).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-2");
}

/// A12.
#[tokio::test(start_paused = true)]
async fn every_document_of_the_last_two_hundred_rotations_is_refused_under_every_id() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(6)).await;
        replica.refresh(&account, None).await.unwrap();
    }
    let document = |n| format!(r#"{{"access_token":"access-a-{n}","refresh_token":"refresh-a-{n}"}}"#);
    for n in 1..=200 {
        for id in ["a", "b"] {
            let again = replica.login(&self::account(id), document(n).as_bytes(), false).await.unwrap();
            assert_eq!(again, Login::AlreadyPresented, "{n} {id}");
        }
    }
    let held = replica.login(&account, document(201).as_bytes(), false).await.unwrap();
    assert!(matches!(held, Login::Same { .. }), "{held:?}");
    tokio::time::sleep(Duration::from_secs(6)).await;
    replica.refresh(&account, None).await.unwrap();
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_imported_and_deleted_without_a_refresh_can_be_imported_again_and_under_another_id() {
    let world = World::new();
    let replica = world.replica().await;
    let document = world.provider.grant("a", HOUR);
    for id in ["a", "a", "pair"] {
        let login = replica.login(&account(id), document.as_bytes(), false).await.unwrap();
        assert!(matches!(login, Login::New { .. }), "{id}");
        replica.delete(&account(id)).await.unwrap();
    }
    replica.login(&account("a"), document.as_bytes(), false).await.unwrap();
    replica.refresh(&account("a"), None).await.unwrap();
    replica.delete(&account("a")).await.unwrap();
    for id in ["a", "pair"] {
        let login = replica.login(&account(id), document.as_bytes(), false).await.unwrap();
        assert_eq!(login, Login::AlreadyPresented, "{id}");
    }
}

/// A12.
#[tokio::test(start_paused = true)]
async fn one_refresh_token_under_two_ids_is_refused() {
    let world = World::new();
    let replica = world.replica().await;
    let document = world.provider.grant("a", HOUR);
    replica.login(&account("a"), document.as_bytes(), false).await.unwrap();
    let pair = replica.login(&account("pair"), document.as_bytes(), false).await.unwrap();
    assert_eq!(pair, Login::AlreadyPresented);
    assert!(matches!(replica.state(&account("pair")).await, Err(AccountError::UnknownAccount)));
}

/// A12.
#[tokio::test(start_paused = true)]
async fn one_refresh_token_under_two_providers_is_refused() {
    let world = World::new();
    let second = Provider::new("second", policy(), world.provider.clone()).unwrap();
    let replica = world.builder(policy()).provider(second).build().await.unwrap();
    let document = world.provider.grant("a", HOUR);
    replica.login(&account("a"), document.as_bytes(), false).await.unwrap();
    replica.refresh(&account("a"), None).await.unwrap();

    let spent = document;
    let held = r#"{"access_token":"access-a-2","refresh_token":"refresh-a-2"}"#;
    for document in [spent.as_str(), held] {
        let pair = replica.login(&Account::new("second", "a").unwrap(), document.as_bytes(), false).await;
        assert_eq!(pair.unwrap(), Login::AlreadyPresented);
    }
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_is_gone_on_every_replica_and_its_successor_is_another_person() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (one, other) = (world.replica().await, world.replica().await);
    other.token(&account).await.unwrap();
    one.delete(&account).await.unwrap();
    assert!(matches!(one.delete(&account).await, Err(AccountError::UnknownAccount)));
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The notification marks the entry; the read it causes runs behind the first request.
    let _ = other.token(&account).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(other.token(&account).await, Err(TokenError::UnknownAccount)));
    let document = world.provider.grant("a", HOUR);
    one.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

/// S-T33.
#[tokio::test(start_paused = true)]
async fn a_login_without_a_live_access_token_ends_the_replaced_one_on_every_replica() {
    for end in ["", r#""access_token":"access-a-2","expires_in":"0","expires_at":1,"#] {
        let world = World::new();
        let account = world.log_in("a", HOUR).await;
        let (one, warm, cold) = (world.replica().await, world.replica().await, world.replica().await);
        warm.token(&account).await.unwrap();
        world.provider.grant("a", HOUR);
        world.provider.close();
        let document = format!(r#"{{{end}"refresh_token":"refresh-a-2"}}"#);
        one.login(&account, document.as_bytes(), false).await.unwrap();
        let shared_cache = world.cache.read(&account).await.unwrap();
        assert_eq!(shared_cache.token, None, "{end}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        // The notification marks the entry; the read it causes runs behind the first request.
        let _ = warm.token(&account).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        for replica in [&one, &warm, &cold] {
            let token = replica.token_within(&account, Duration::from_millis(100)).await;
            assert!(matches!(token, Err(TokenError::RetryAt { .. })), "{end} {token:?}");
        }
        world.provider.open();
        for replica in [&one, &warm, &cold] {
            let token = replica.token(&account).await.unwrap();
            assert_eq!((token.expose_secret(), token.is_stale()), ("access-a-3", false), "{end}");
        }
        assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
    }
}

/// A clock whose tick is late, as on a virtual machine of which one processor stands still.
struct LateTick(TestClock);

impl Clock for LateTick {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn coarse_now(&self) -> Moment {
        self.0.now() - Duration::from_millis(10)
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_with_an_ended_access_token_serves_it_to_nobody_although_the_tick_is_late() {
    let world = World::new();
    let account = account("a");
    // Nobody notifies a replica without a shared cache: nothing else makes it read the exact clock.
    let replica =
        world.embedded(policy()).clock(Arc::new(LateTick(TestClock::tokio()))).build().await.unwrap();
    world.provider.grant("a", HOUR);
    let ended = br#"{"access_token":"access-a-1","expires_at":1700000000,"refresh_token":"refresh-a-1"}"#;
    replica.login(&account, ended, false).await.unwrap();
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

/// S-T25.
#[tokio::test(start_paused = true)]
async fn a_flight_that_meets_a_login_serves_nothing_older() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(120)).await;
    let (one, warm) = (world.replica().await, world.replica().await);
    warm.token(&account).await.unwrap();
    world.provider.grant("a", HOUR);
    world.provider.close();
    // Nobody hears of it.
    world.cache.faults().leave();
    one.login(&account, br#"{"refresh_token":"refresh-a-2"}"#, false).await.unwrap();
    one.shutdown(Duration::from_secs(1)).await;
    world.cache.faults().come_back();
    tokio::time::sleep(Duration::from_secs(110)).await;
    let token = warm.token_within(&account, Duration::from_secs(1)).await;
    assert!(matches!(token, Err(TokenError::RetryAt { .. })), "{token:?}");
}

/// A15.
#[tokio::test(start_paused = true)]
async fn a_delete_during_an_exchange_wins_over_its_answer() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.close();
    let (owner, operator) = (world.replica().await, world.replica().await);
    let call = tokio::spawn({
        let (owner, account) = (owner.clone(), account.clone());
        async move { owner.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    operator.delete(&account).await.unwrap();
    world.provider.open();
    let answer = call.await.unwrap();
    assert!(matches!(answer, Err(TokenError::UnknownAccount)), "{answer:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(matches!(owner.token(&account).await, Err(TokenError::UnknownAccount)));
    assert!(
        world.answers.all(&account).iter().all(|answer| answer.payload.is_empty()),
        "nothing left behind"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_documents_are_refused_by_field_and_nothing_is_stored() {
    let world = World::new();
    let replica = world.replica().await;
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let huge = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(70_000));
    let deep = format!(r#"{{"access_token":"x","deep":{deep}}}"#);
    for document in [
        "",
        "not json",
        "[]",
        "{}",
        r#"{"access_token":""}"#,
        r#"{"access_token":"x","expires_at":"tomorrow"}"#,
        &deep,
        &huge,
    ] {
        let error = replica.login(&account("a"), document.as_bytes(), false).await.unwrap_err();
        assert!(matches!(&error, AccountError::Input(input) if !input.field().is_empty()), "{error:?}");
        assert!(matches!(replica.state(&account("a")).await, Err(AccountError::UnknownAccount)));
    }
}

/// K-T12.
#[tokio::test(start_paused = true)]
async fn a_subscriber_hears_of_logins_and_rotations_anywhere_in_the_fleet() {
    let world = World::new();
    let (one, other) = (world.replica().await, world.replica().await);
    let mut changes = other.subscribe();
    let document = world.provider.grant("a", Duration::from_secs(1));
    let account = account("a");
    let Login::New { generation } = one.login(&account, document.as_bytes(), false).await.unwrap() else {
        panic!("a new account");
    };
    let heard = async |changes: &mut solekey::Changes, least| loop {
        match changes.next().await {
            Some(Change::Account { key, generation }) if generation >= least => break (key, generation),
            Some(_) => {}
            None => panic!("the instance goes on"),
        }
    };
    assert_eq!(heard(&mut changes, generation).await, (account.key(), generation));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let token = one.token(&account).await.unwrap();
    assert_eq!(heard(&mut changes, token.generation()).await, (account.key(), token.generation()));
}

#[tokio::test(start_paused = true)]
async fn the_state_shows_where_an_account_stands() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    assert_eq!(replica.state(&account).await.unwrap().status, Status::Fresh);
    tokio::time::sleep(Duration::from_secs(3600 - 100)).await;
    assert_eq!(replica.state(&account).await.unwrap().status, Status::RefreshDue);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(replica.state(&account).await.unwrap().status, Status::Expired);
    let page = replica.list(None, None, 10).await.unwrap();
    assert_eq!(page.accounts.len(), 1);
    assert_eq!(page.accounts[0].id, "a");
}

#[tokio::test(start_paused = true)]
async fn a_replica_with_another_seal_key_refreshes_nothing() {
    let world = World::new();
    let sealed = world.builder(policy()).seal(seal()).build().await.unwrap();
    let document = world.provider.grant("a", Duration::from_secs(1));
    sealed.login(&account("a"), document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let other = solekey::SealKeys::parse("k2:HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=").unwrap();
    for stranger in [world.builder(policy()).seal(other), world.builder(policy())] {
        let stranger = stranger.build().await.unwrap();
        let error = stranger.token(&account("a")).await.unwrap_err();
        assert!(
            matches!(&error, TokenError::Configuration { field, .. } if field == "seal.key"),
            "{error:?}"
        );
        let error = stranger.login(&account("b"), document.as_bytes(), false).await.unwrap_err();
        assert!(matches!(error, AccountError::Configuration(_)), "{error:?}");
    }
    assert_eq!(world.provider.presentations(), 0);
    assert_eq!(sealed.token(&account("a")).await.unwrap().expose_secret(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn a_login_and_a_delete_that_the_store_forgot_come_back_from_the_answers() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (before, operator) = (world.store.snapshot(), world.replica().await);
    let document = world.provider.grant("a", HOUR);
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    world.store.restore(&before);
    world.cache.wipe();
    let heir = world.replica().await;
    // An owner path, because only a read that may claim reads the answers.
    let taken = heir.refresh(&account, None).await.unwrap();
    assert_eq!((taken.expose_secret(), world.provider.doubles()), ("access-a-3", 0));

    let before = world.store.snapshot();
    heir.delete(&account).await.unwrap();
    world.store.restore(&before);
    world.cache.wipe();
    let answer = world.replica().await.refresh(&account, None).await;
    assert!(matches!(answer, Err(TokenError::UnknownAccount)), "{answer:?}");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_state_names_the_end_of_its_token_also_once_it_is_over_and_the_seconds_of_a_pause() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    let clock = TestClock::tokio();
    let wall = || clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let end = wall() + 3600;
    for _ in 0..3 {
        let state = replica.state(&account).await.unwrap();
        let named = state.expires_at.unwrap();
        assert!(named.abs_diff(end) <= 2, "{named} is not {end}, {} s from now", end.abs_diff(wall()));
        tokio::time::sleep(HOUR / 2 + Duration::from_secs(60)).await;
    }
    world.provider.script([Script::Later(500)]);
    replica.token_within(&account, Duration::from_secs(5)).await.unwrap_err();
    let pause = replica.state(&account).await.unwrap().retry_in.unwrap();
    assert!((400..=500).contains(&pause), "{pause}");
}
