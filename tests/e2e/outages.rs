//! Redis forgets, is killed, comes back, or stays away.

use std::time::{Duration, SystemTime};

use solekey::{TokenError, core::Account};
use solekey_testkit::{
    provider::Fault,
    redis::{Data, RedisServer},
};
use tokio::task::JoinSet;

use crate::{
    blueprint::Terms,
    fleet::{Fleet, Mode, Plan},
    load::Load,
    wait::{eventually, within},
};

/// Short, so that there is always a refresh under way or coming.
const LIFETIME: Duration = Duration::from_secs(6);
const ACCOUNTS: usize = 5;

pub(crate) async fn log_in_some(fleet: &Fleet) -> Vec<Account> {
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        accounts.push(fleet.log_in(&format!("a{number}")).await.0);
    }
    accounts
}

/// Waits until the provider holds a request of one account, so that what comes next meets an exchange under way.
async fn in_the_middle(fleet: &Fleet, account: &Account) {
    fleet.provider.inject(Fault::HoldBefore.once().on(account.id()));
    within("an exchange", fleet.provider.held(account.id())).await;
}

async fn assert_all_is_well(fleet: Fleet, mut load: Load, accounts: &[Account]) {
    load.everybody_is_served_anew().await;
    load.stop().await;
    fleet.assert_nothing_burned();
    for account in accounts {
        let tally = fleet.provider.tally_of(account.id());
        assert_eq!(tally.presentations, tally.rotations, "{}", fleet.provider.log_json_lines());
    }
    fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_flushed_then_killed_and_back_empty_in_the_middle_burns_no_account() {
    let mut redis = RedisServer::start().await.unwrap();
    let mode = Mode::own_with_sqlite(&redis);
    let fleet = Fleet::start(Plan { mode, lifetime: LIFETIME, ..Plan::default() }).await;
    let accounts = log_in_some(&fleet).await;
    let mut load = Load::start(&fleet, &accounts);

    in_the_middle(&fleet, &accounts[0]).await;
    redis.flush_all().await.unwrap();
    fleet.provider.release_all();
    load.everybody_is_served_anew().await;

    in_the_middle(&fleet, &accounts[1]).await;
    redis.kill9();
    fleet.provider.release_all();
    load.everybody_is_served_anew().await;

    in_the_middle(&fleet, &accounts[2]).await;
    redis.restart(Data::Lost).await.unwrap();
    fleet.provider.release_all();
    assert_all_is_well(fleet, load, &accounts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_alone_killed_and_restarted_in_the_middle_burns_no_account() {
    let mut redis = RedisServer::builder().append_only().start().await.unwrap();
    let fleet = Fleet::start(Plan { mode: Mode::own(&redis), lifetime: LIFETIME, ..Plan::default() }).await;
    let accounts = log_in_some(&fleet).await;
    let load = Load::start(&fleet, &accounts);
    in_the_middle(&fleet, &accounts[0]).await;
    redis.kill9();
    fleet.provider.release_all();
    let processed = |provider: &solekey_testkit::provider::AuthorizationServer| {
        provider.tally_of(accounts[0].id()).rotations > 0
    };
    within("the exchange", fleet.provider.wait_until(processed)).await;
    redis.restart(Data::Kept).await.unwrap();
    assert_all_is_well(fleet, load, &accounts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_alone_flushed_in_the_middle_burns_no_account_and_the_rows_come_back_from_the_answers() {
    let redis = RedisServer::start().await.unwrap();
    let fleet = Fleet::start(forgetful(&redis)).await;
    let accounts = log_in_some(&fleet).await;
    let mut load = Load::start(&fleet, &accounts);
    in_the_middle(&fleet, &accounts[0]).await;
    redis.flush_all().await.unwrap();
    fleet.provider.release_all();
    load.everybody_is_served_anew().await;
    assert_all_is_well(fleet, load, &accounts).await;
}

/// A22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_alone_flushed_while_every_account_is_presented_has_none_presented_twice() {
    let redis = RedisServer::start().await.unwrap();
    let fleet = Fleet::start(forgetful(&redis)).await;
    let accounts = log_in_some(&fleet).await;
    let load = Load::start(&fleet, &accounts);
    all_in_the_middle(&fleet, &accounts).await;
    redis.flush_all().await.unwrap();
    // Whoever asks now brings the rows back.
    for account in &accounts {
        eventually("the row is back", async || {
            let rows = fleet.blueprint.rows().await;
            rows.load(account).await.ok().and_then(|loaded| loaded.record)
        })
        .await;
    }
    fleet.provider.release_all();
    assert_all_is_well(fleet, load, &accounts).await;
}

/// A22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_alone_back_empty_while_every_account_is_presented_has_none_presented_twice() {
    let mut redis = RedisServer::start().await.unwrap();
    let fleet = Fleet::start(forgetful(&redis)).await;
    let accounts = log_in_some(&fleet).await;
    let load = Load::start(&fleet, &accounts);
    all_in_the_middle(&fleet, &accounts).await;
    load.stop().await;
    redis.kill9();
    redis.restart(Data::Lost).await.unwrap();
    everybody_asks(&fleet, &accounts).await;
    fleet.provider.release_all();
    let processed = |provider: &solekey_testkit::provider::AuthorizationServer| {
        accounts.iter().all(|account| provider.tally_of(account.id()).rotations > 0)
    };
    within("the exchanges", fleet.provider.wait_until(processed)).await;
    everybody_asks(&fleet, &accounts).await;
    fleet.assert_nothing_burned();
    for account in &accounts {
        let tally = fleet.provider.tally_of(account.id());
        assert_eq!(tally.presentations, tally.rotations, "{}", fleet.provider.log_json_lines());
    }
}

/// A22. As after a failover to a replica that had not heard of the claims.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_alone_back_with_an_older_copy_while_every_account_is_presented_has_none_presented_twice() {
    let mut redis = RedisServer::start().await.unwrap();
    let fleet = Fleet::start(forgetful(&redis)).await;
    let accounts = log_in_some(&fleet).await;
    redis.command(&["SAVE"]).await.unwrap();
    let load = Load::start(&fleet, &accounts);
    all_in_the_middle(&fleet, &accounts).await;
    load.stop().await;
    redis.kill9();
    redis.restart(Data::Kept).await.unwrap();
    let rows = fleet.blueprint.rows().await;
    let forgotten = rows.load(&accounts[0]).await.unwrap().record.unwrap().row;
    assert_eq!(forgotten.rotations, 0);
    nobody_presents_twice(&fleet, &accounts).await;
}

/// Asks while the provider holds a request for each account, and lets them go.
pub(crate) async fn nobody_presents_twice(fleet: &Fleet, accounts: &[Account]) {
    // Past the time in which nobody claims.
    for _ in 0..3 {
        everybody_asks(fleet, accounts).await;
    }
    fleet.provider.release_all();
    let processed = |provider: &solekey_testkit::provider::AuthorizationServer| {
        accounts.iter().all(|account| provider.tally_of(account.id()).rotations > 0)
    };
    within("the exchanges", fleet.provider.wait_until(processed)).await;
    everybody_asks(fleet, accounts).await;
    fleet.assert_nothing_burned();
    for account in accounts {
        let tally = fleet.provider.tally_of(account.id());
        assert_eq!(tally.presentations, tally.rotations, "{}", fleet.provider.log_json_lines());
    }
}

fn forgetful(redis: &RedisServer) -> Plan {
    held(Mode::own(redis))
}

/// Requests that are held have to be answered in time; what is in doubt is waited for twice as long.
pub(crate) fn held(mode: Mode) -> Plan {
    let (exchange_timeout, quarantine) = (Duration::from_secs(10), Duration::from_secs(13));
    let terms = Terms { exchange_timeout, quarantine, ..Terms::default() };
    Plan { mode, lifetime: LIFETIME, terms, ..Plan::default() }
}

/// The same as [`in_the_middle`] for all accounts at once.
pub(crate) async fn all_in_the_middle(fleet: &Fleet, accounts: &[Account]) {
    for account in accounts {
        fleet.provider.inject(Fault::HoldBefore.once().on(account.id()));
    }
    for account in accounts {
        within("an exchange", fleet.provider.held(account.id())).await;
    }
}

/// Asks every replica for every account, whatever it answers.
async fn everybody_asks(fleet: &Fleet, accounts: &[Account]) {
    for _ in 0..3 {
        for replica in &fleet.replicas {
            for account in accounts {
                let asked = replica.token_within(account, Duration::from_millis(50));
                let _ = within("an answer", asked).await;
            }
        }
    }
}

/// N-4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_redis_a_fleet_with_sqlite_goes_on_with_one_presentation_per_expiry() {
    let mut redis = RedisServer::start().await.unwrap();
    let mode = Mode::own_with_sqlite(&redis);
    let fleet = Fleet::start(Plan { mode, lifetime: ONE_ROUND, ..Plan::default() }).await;
    redis.kill9();
    one_presentation_per_expiry(&fleet).await;
    fleet.shut_down().await;
}

/// The lifetime of tokens that must not be refreshed again while a dozen callers are served, however busy the machine
/// is.
pub(crate) const ONE_ROUND: Duration = Duration::from_secs(15);

/// Accounts that are due, twice, with callers on every replica.
pub(crate) async fn one_presentation_per_expiry(fleet: &Fleet) {
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        accounts.push(fleet.log_in_due(&format!("a{number}")).await.0);
    }
    for round in 1..=2 {
        for account in &accounts {
            let before = fleet.state(account).await.generation;
            let mut callers = JoinSet::new();
            for replica in fleet.replicas.iter().cycle().take(12) {
                let (replica, account) = (replica.clone(), account.clone());
                callers.spawn(async move { crate::fleet::newer(&replica, &account, before).await });
            }
            within("tokens", callers.join_all()).await;
        }
        for account in &accounts {
            fleet.assert_presented(account, round);
        }
    }
}

#[tokio::test]
async fn with_everything_down_a_token_is_served_until_it_ends_and_not_after() {
    let mut redis = RedisServer::start().await.unwrap();
    let fleet = Fleet::start(Plan { mode: Mode::own(&redis), ..Plan::default() }).await;
    let (account, pair) = fleet.log_in_for("a", Duration::from_secs(10)).await;
    for replica in &fleet.replicas {
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), pair.access_token);
    }
    redis.kill9();
    let Fleet { provider, replicas, .. } = fleet;
    assert_eq!(provider.presentations(), 0);
    provider.stop().await;
    let wait = Duration::from_millis(100);
    let mut serving = Vec::new();
    for replica in replicas.clone() {
        let token = within("an answer", replica.token_within(&account, wait)).await.unwrap();
        assert_eq!(token.expose_secret(), pair.access_token);
        serving.push((replica, token.expires_at().unwrap()));
    }
    for (replica, end) in serving {
        eventually("it is not served any more", async || {
            let asked = SystemTime::now();
            match replica.token_within(&account, wait).await {
                Ok(token) => {
                    assert_eq!(token.expose_secret(), pair.access_token);
                    assert!(asked < end);
                    None
                }
                Err(TokenError::RetryAt { .. }) => Some(()),
                Err(error) => panic!("{error}"),
            }
        })
        .await;
    }
    for replica in replicas {
        assert_eq!(replica.shutdown(solekey::DEFAULT_DRAIN).await.in_doubt, 0);
    }
}
