//! Answers that come when their callers were let go: after a second here; attempts last for 3 s, readings for 12 s.

use std::{sync::Arc, time::Duration};

use solekey::{AccountError, DEFAULT_DRAIN, Login, Solekey, TokenError};
use solekey_core::{Account, Policy, PolicySettings, Replay, Revocation, ports::Store as _};
use tokio::time::{Instant, sleep};

use crate::fixture::{Script, World, policy};

const fn late(secs: u64) -> Script {
    Script::Late(secs, None)
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Callers who do not wait for others.
fn impatient() -> Policy {
    strict_or_family(Replay::STRICT_FAMILY)
}

fn strict_or_family(replay: Replay) -> Policy {
    PolicySettings {
        replay,
        exchange_timeout: secs(1),
        quarantine: Some(secs(3)),
        max_wait: Duration::ZERO,
        ..PolicySettings::default()
    }
    .build()
    .unwrap()
}

/// A replica whose request was sent just now, with an answer that comes as the script says.
async fn sent(world: &World, account: &Account, policy: Policy, script: Script) -> Solekey {
    world.provider.script([script]);
    let replica = world.replica_with(policy).await;
    tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    sleep(Duration::from_millis(200)).await;
    assert_eq!(world.provider.presentations(), 1);
    replica
}

async fn has_the_pair(world: &World, account: &Account) -> bool {
    world.store.load(account).await.unwrap().record.unwrap().row.rotations == 1
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_waits_gets_the_token_of_an_answer_that_comes_after_the_exchange_timeout() {
    let (world, account) = World::overdue().await;
    world.provider.script([late(2)]);
    let replica = world.replica_with(policy()).await;
    let token = replica.token(&account).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-2");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn callers_are_let_go_at_the_exchange_timeout_and_the_lease_with_them() {
    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), late(8)).await;
    let began = Instant::now();
    assert!(matches!(replica.token(&account).await, Err(TokenError::RetryAt { .. })));
    assert!(began.elapsed() <= secs(1));
    sleep(secs(1)).await;
    assert_eq!(replica.stats().flights, 0);
}

/// Before the attempt's `until`, after it, and shortly before nobody reads any more.
#[tokio::test(start_paused = true)]
async fn a_pair_that_comes_late_is_committed_and_nothing_is_presented_during_its_reading() {
    for replay in [Replay::STRICT_FAMILY, Replay::STRICT, Replay::UNTIL_USED] {
        for way in [2, 5, 11] {
            let (world, account) = World::overdue().await;
            let replica = sent(&world, &account, strict_or_family(replay), late(way)).await;
            for _ in 0..way {
                sleep(secs(1)).await;
                drop(replica.token(&account).await);
            }
            sleep(secs(1)).await;
            assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2", "{way} s");
            assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0), "{way} s");
            let other = world.replica().await;
            assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_pair_heals_a_doubt_that_another_replica_has_made_its_own() {
    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), late(7)).await;
    // The other one has no shared cache, and presents after its watch; its request never arrives.
    world.provider.script([Script::LoseRequest]);
    let other = world.embedded(impatient()).build().await.unwrap();
    for _ in 0..6 {
        drop(other.token(&account).await);
        sleep(secs(1)).await;
    }
    assert_eq!(world.provider.presentations(), 2);
    sleep(secs(2)).await;
    for replica in [replica, other] {
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_late_pair_is_committed_although_the_answers_are_away_and_the_other_way_round() {
    let (world, account) = World::overdue().await;
    let _replica = sent(&world, &account, impatient(), late(4)).await;
    world.answers.faults().leave();
    sleep(secs(5)).await;
    assert!(has_the_pair(&world, &account).await);

    let (world, account) = World::overdue().await;
    let _replica = sent(&world, &account, impatient(), late(4)).await;
    world.store.faults().leave();
    sleep(secs(5)).await;
    world.store.faults().come_back();
    let other = world.replica().await;
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_account_is_presented_again_once_its_reading_has_ended_without_a_pair() {
    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), Script::Late(6, Some(&Script::LoseRequest))).await;
    sleep(secs(5)).await;
    assert_eq!(world.provider.presentations(), 1);
    // Nobody asks: the process rechecks by itself, and has watched meanwhile.
    sleep(secs(4)).await;
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_ends_its_attempt_as_an_early_one_does() {
    let (world, account) = World::overdue().await;
    let refused = Script::Late(5, Some(&Script::Answer(400, r#"{"error":"invalid_grant"}"#)));
    let replica = sent(&world, &account, impatient(), refused).await;
    sleep(secs(6)).await;
    let answer = replica.token(&account).await;
    assert!(matches!(answer, Err(TokenError::LogIn { why: Revocation::Refused })), "{answer:?}");

    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), Script::Late(5, Some(&Script::Later(2)))).await;
    sleep(secs(8)).await;
    drop(replica.token(&account).await);
    sleep(secs(1)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 2);
}

/// B15.
#[tokio::test(start_paused = true)]
async fn a_shutdown_awaits_a_reading_and_writes_its_pair_down() {
    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), late(10)).await;
    sleep(secs(2)).await;
    assert_eq!(replica.shutdown(DEFAULT_DRAIN).await.in_doubt, 0);
    assert!(has_the_pair(&world, &account).await);
}

/// B15.
#[tokio::test(start_paused = true)]
async fn a_reading_that_outlasts_the_deadline_of_the_shutdown_is_counted_as_in_doubt() {
    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), late(10)).await;
    sleep(secs(2)).await;
    let began = Instant::now();
    assert_eq!(replica.shutdown(secs(3)).await.in_doubt, 1);
    assert_eq!(began.elapsed(), secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_account_is_idle_when_its_reading_is_over() {
    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), late(10)).await;
    sleep(secs(2)).await;
    replica.start_draining();
    replica.until_idle(&account).await;
    assert!(has_the_pair(&world, &account).await);
}

#[tokio::test(start_paused = true)]
async fn a_login_in_the_meantime_makes_a_late_pair_history() {
    let (world, account) = World::overdue().await;
    let world = Arc::clone(&world);
    let replica = sent(&world, &account, impatient(), late(8)).await;
    sleep(secs(2)).await;
    let document = world.provider.grant("a", crate::fixture::HOUR);
    replica.login(&account, document.as_bytes(), false).await.unwrap();
    sleep(secs(10)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-3");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_and_is_not_understood_is_kept_and_closes_the_provider() {
    for way in [2, 5, 11] {
        let (world, account) = World::overdue().await;
        let other = world.log_in("b", secs(1)).await;
        sleep(secs(2)).await;
        let script = Script::Late(way, Some(&Script::Foreign));
        let replica = sent(&world, &account, impatient(), script).await;
        sleep(secs(way + 1)).await;
        let verdict = replica.token(&account).await;
        assert!(
            matches!(verdict, Err(TokenError::LogIn { why: Revocation::AnswerUnread })),
            "{way} s: {verdict:?}"
        );
        assert!(replica.token(&other).await.is_err(), "{way} s: the provider is closed");
        sleep(secs(300)).await;
        assert!(replica.token(&other).await.is_err(), "{way} s: for ten minutes");
        assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0), "{way} s");
        replica.shutdown(DEFAULT_DRAIN).await;
        let taught = world.taught(impatient()).build().await.unwrap();
        sleep(secs(10)).await;
        // The number after the one of the other account.
        assert_eq!(taught.token(&account).await.unwrap().expose_secret(), "access-a-3", "{way} s");
        assert_eq!(world.provider.doubles(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_correction_of_a_credential_whose_answer_is_still_read_is_not_taken_and_the_pair_is_committed() {
    let (world, account) = World::overdue().await;
    let replica = sent(&world, &account, impatient(), late(8)).await;
    let corrected = br#"{"access_token":"access-b","refresh_token":"refresh-a-1","expires_at":1800009000}"#;
    for _ in 0..3 {
        sleep(secs(2)).await;
        let amended = replica.login(&account, corrected, false).await;
        assert!(matches!(amended, Err(AccountError::Busy)), "{amended:?}");
    }
    sleep(secs(3)).await;
    assert!(has_the_pair(&world, &account).await);
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    let spent = replica.login(&account, corrected, false).await.unwrap();
    assert_eq!(spent, Login::AlreadyPresented);
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}
