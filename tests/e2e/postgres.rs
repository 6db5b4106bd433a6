//! One PostgreSQL, no Redis: claims alone coordinate, and all notifications come from the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use solekey::core::Account;
use solekey_store_sql::PostgresStore;
use solekey_testkit::{
    memory::TestClock,
    postgres::{PostgresServer, is_waived},
    provider::Fault,
    redis::RedisServer,
};

use crate::{
    blueprint::{Backing, Blueprint},
    database::listened_to,
    fleet::{Fleet, Mode, Plan, newer},
    load::Load,
    outages::{
        ONE_ROUND, all_in_the_middle, held, log_in_some, nobody_presents_twice, one_presentation_per_expiry,
    },
    stops::HinderedStore,
    victim::{SERVES, Victim},
    wait::{eventually, within},
};

/// Short, so that there is always a refresh under way or coming.
const LIFETIME: Duration = Duration::from_secs(6);
/// So long that a claim comes when the place of answers already vouches for what is missing.
const LEFT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_one_postgres_present_once_per_account_and_expiry() {
    if is_waived() {
        return;
    }
    let fleet = Fleet::start(Plan { mode: Mode::Postgres, lifetime: ONE_ROUND, ..Plan::default() }).await;
    one_presentation_per_expiry(&fleet).await;
    fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_killed_and_restarted_in_the_middle_burns_no_account() {
    if is_waived() {
        return;
    }
    let mut postgres = PostgresServer::start().await.unwrap();
    let mode = Mode::OwnPostgres(postgres.url());
    let fleet = Fleet::start(Plan { mode, lifetime: LIFETIME, ..Plan::default() }).await;
    let mut accounts = Vec::new();
    for number in 0..5 {
        accounts.push(fleet.log_in(&format!("a{number}")).await.0);
    }
    let mut load = Load::start(&fleet, &accounts);
    for account in &accounts[..2] {
        fleet.provider.inject(Fault::HoldBefore.once().on(account.id()));
        within("an exchange", fleet.provider.held(account.id())).await;
        let before = fleet.provider.tally_of(account.id()).rotations;
        postgres.kill9();
        fleet.provider.release_all();
        within("the answer", fleet.provider.wait_until(|all| all.tally_of(account.id()).rotations > before))
            .await;
        postgres.restart().await.unwrap();
        load.everybody_is_served_anew().await;
    }
    load.stop().await;
    fleet.assert_nothing_burned();
    for account in &accounts {
        let tally = fleet.provider.tally_of(account.id());
        assert_eq!(tally.presentations, tally.rotations, "{}", fleet.provider.log_json_lines());
    }
    fleet.shut_down().await;
}

/// A22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_of_postgres_that_lost_every_claim_nobody_presents_twice() {
    if is_waived() {
        return;
    }
    let mut postgres = PostgresServer::start().await.unwrap();
    let fleet = Fleet::start(held(Mode::OwnPostgres(postgres.url()))).await;
    let accounts = log_in_some(&fleet).await;
    postgres.copy().await.unwrap();
    let load = Load::start(&fleet, &accounts);
    all_in_the_middle(&fleet, &accounts).await;
    load.stop().await;
    postgres.fail_over_to_copy().await.unwrap();
    let rows = fleet.blueprint.rows().await;
    let loads = async || rows.load(&accounts[0]).await.map_err(|error| error.to_string());
    let forgotten = eventually("the new primary", loads).await.record.unwrap().row;
    assert_eq!((forgotten.rotations, forgotten.open), (0, None));
    nobody_presents_twice(&fleet, &accounts).await;
    fleet.shut_down().await;
}

/// A fleet whose database was killed while an owner's request was out, and the account.
async fn cut_off(postgres: &mut PostgresServer, owner: Owner) -> (Fleet, Account, Option<Victim>) {
    let mode = Mode::OwnPostgres(postgres.url());
    let fleet = Fleet::start(Plan { mode, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_for("a", LEFT).await;
    let before = fleet.state(&account).await.generation;
    fleet.provider.inject(Fault::HoldBefore.once());
    let mut victim = None;
    match owner {
        Owner::OfTheFleet => {
            let (first, account) = (fleet.first().clone(), account.clone());
            tokio::spawn(async move { newer(&first, &account, before).await });
        }
        Owner::Victim(state_dir) => {
            let Backing::Postgres { url, state_dir: own } = fleet.blueprint.backing.clone() else {
                unreachable!()
            };
            let state_dir = fleet.folder.path().join(state_dir.unwrap_or(own.to_str().unwrap()));
            let token_url = fleet.provider.token_url_for("victim");
            let backing = Backing::Postgres { url, state_dir };
            let blueprint = Blueprint { token_url, backing, ..fleet.blueprint.clone() };
            victim = Some(Victim::start(blueprint, account.id(), before));
        }
    }
    within("the owner's request", fleet.provider.held(account.id())).await;
    postgres.kill9();
    fleet.provider.release_all();
    (fleet, account, victim)
}

/// Whose request is out.
enum Owner {
    OfTheFleet,
    /// A process to be killed, with answers in the fleet's folder or in this one.
    Victim(Option<&'static str>),
}

#[tokio::test]
async fn with_postgres_killed_after_the_send_the_owner_serves_its_pair_and_commits_it_later() {
    if is_waived() {
        return;
    }
    let mut postgres = PostgresServer::start().await.unwrap();
    let (fleet, account, _) = cut_off(&mut postgres, Owner::OfTheFleet).await;
    within("the answer", fleet.provider.wait_until(|provider| provider.rotations() == 1)).await;
    let newest = fleet.provider.newest(account.id()).unwrap();
    eventually("it is served", async || {
        let token = fleet.first().token(&account).await.ok()?;
        (token.expose_secret() == newest.access_token).then_some(())
    })
    .await;
    assert_eq!(fleet.seen.committed(), 0);
    postgres.restart().await.unwrap();
    eventually("it is committed", async || {
        let state = fleet.first().state(&account).await.ok()?;
        (state.rotations == 1).then_some(())
    })
    .await;
    fleet.has_reported(1, 0).await;
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

#[tokio::test]
async fn with_postgres_killed_after_the_send_and_the_owner_too_another_process_commits_the_answer() {
    if is_waived() {
        return;
    }
    let mut postgres = PostgresServer::start().await.unwrap();
    let (fleet, account, victim) = cut_off(&mut postgres, Owner::Victim(None)).await;
    let mut victim = victim.unwrap();
    victim.reports(SERVES).await;
    victim.kill().await;
    assert_eq!((fleet.seen.committed(), fleet.seen.recovered()), (0, 0));
    postgres.restart().await.unwrap();
    eventually("it is committed", async || {
        let state = fleet.first().state(&account).await.ok()?;
        let _ = fleet.first().token(&account).await;
        (state.rotations == 1).then_some(())
    })
    .await;
    fleet.has_reported(0, 1).await;
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.assert_nothing_burned();
    fleet.shut_down().await;
}

#[tokio::test]
async fn an_answer_on_a_host_whose_process_died_is_committed_when_the_next_one_starts_there() {
    if is_waived() {
        return;
    }
    let mut postgres = PostgresServer::start().await.unwrap();
    let (mut fleet, account, victim) = cut_off(&mut postgres, Owner::Victim(Some("elsewhere"))).await;
    let mut victim = victim.unwrap();
    victim.reports(SERVES).await;
    victim.kill().await;
    let state_dir = fleet.folder.path().join("elsewhere");
    fleet.blueprint.backing = Backing::Postgres { url: postgres.url(), state_dir };
    // It comes before its database does, and nobody asks it for anything.
    fleet.join().await;
    postgres.restart().await.unwrap();
    eventually("it is committed", async || {
        let state = fleet.first().state(&account).await.ok()?;
        (state.rotations == 1).then_some(())
    })
    .await;
    fleet.has_reported(0, 1).await;
    fleet.assert_presented(&account, 1);
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.assert_nothing_burned();
    fleet.shut_down().await;
}

/// Tests a replica whose clock stands still: it never reaches a poll, so only a notification wakes it.
async fn woken_without_a_poll(mode: Mode, before_it: impl FnOnce()) {
    let fleet = Fleet::start(Plan { mode, replicas: 1, ..Plan::default() }).await;
    let database = match &fleet.blueprint.backing {
        Backing::Postgres { url, .. } | Backing::RedisAndPostgres { rows: url, .. } => url.clone(),
        other => panic!("{other:?}"),
    };
    let (account, _) = fleet.log_in_due("a").await;
    let rows = PostgresStore::open(&database).unwrap();
    let loads = Arc::new(AtomicU64::new(0));
    let (inner, lag) = (Arc::new(rows.clone()), Duration::ZERO);
    let counted = Arc::new(HinderedStore { inner, stop: None, lag, loads: Arc::clone(&loads) });
    let builder = fleet.blueprint.builder_over(counted).await.change_feed(Arc::new(rows.change_feed()));
    let patient = builder.clock(Arc::new(TestClock::standing())).build().await.unwrap();
    before_it();
    listened_to(&database, 2).await;
    fleet.provider.inject(Fault::HoldBefore.once());
    let (owner, at) = (fleet.first().clone(), account.clone());
    let owned = tokio::spawn(async move { owner.token(&at).await });
    within("the owner's request", fleet.provider.held(account.id())).await;
    let (waiter, at) = (patient.clone(), account.clone());
    let woken = tokio::spawn(async move { waiter.token(&at).await });
    // At the second read it has the lease, and finds the attempt in flight. It listens since before the first.
    eventually("it has read twice", async || (loads.load(Relaxed) >= 2).then_some(())).await;
    fleet.provider.release(account.id());
    let (owned, woken) = within("both are answered", async { tokio::join!(owned, woken) }).await;
    let newest = fleet.provider.newest(account.id()).unwrap().access_token;
    assert_eq!(owned.unwrap().unwrap().expose_secret(), newest);
    assert_eq!(woken.unwrap().unwrap().expose_secret(), newest);
    fleet.assert_presented(&account, 1);
    assert_eq!(patient.shutdown(solekey::DEFAULT_DRAIN).await.in_doubt, 0);
    fleet.shut_down().await;
}

#[tokio::test]
async fn a_waiter_on_another_replica_is_woken_by_postgres_without_a_poll() {
    if is_waived() {
        return;
    }
    woken_without_a_poll(Mode::Postgres, || ()).await;
}

#[tokio::test]
async fn a_waiter_on_another_replica_is_woken_by_postgres_where_redis_is_away() {
    if is_waived() {
        return;
    }
    let mut redis = RedisServer::start().await.unwrap();
    woken_without_a_poll(Mode::OwnRedisAndPostgres(redis.url()), move || redis.kill9()).await;
}
