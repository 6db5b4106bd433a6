//! Hooks after a commit, which never delay a refresh.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use solekey::{AfterCommit, Committed, Solekey};
use solekey_core::{
    Account, Additions, Generation,
    ports::{BoxError, Store as _},
};
use tokio::sync::{Notify, Semaphore};

use crate::fixture::{HOUR, Script, World, policy, seal};

/// A hook that reads a project, and does whatever else a test wants.
#[derive(Default)]
struct Lookup {
    calls: Mutex<Vec<(Account, Generation, String)>>,
    called: Notify,
    does: Does,
    cooldown: Duration,
    running: Mutex<(usize, usize)>,
}

#[derive(Default)]
enum Does {
    #[default]
    Find,
    Hang,
    Panic,
    Fail,
    /// Waits for a permit, then finds.
    WaitFor(Semaphore),
    /// Wants nothing where the project is known.
    FindOnce,
}

impl Lookup {
    fn that(does: Does) -> Arc<Self> {
        Arc::new(Self { does, ..Self::default() })
    }

    fn generations(&self) -> Vec<Generation> {
        self.calls.lock().unwrap().iter().map(|(_, generation, _)| *generation).collect()
    }

    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    async fn is_called(&self, times: usize) {
        while self.count() < times {
            self.called.notified().await;
        }
    }
}

#[async_trait]
impl AfterCommit for Lookup {
    fn name(&self) -> &'static str {
        "lookup"
    }

    fn cooldown(&self) -> Duration {
        self.cooldown
    }

    fn wants(&self, committed: &Committed) -> bool {
        !matches!(self.does, Does::FindOnce) || committed.text("project_id").is_none()
    }

    async fn after_commit(&self, committed: &Committed) -> Result<Additions, BoxError> {
        assert_eq!((committed.field("access_token"), committed.field("refresh_token")), (None, None));
        let token = committed.token().expose_secret().to_owned();
        self.calls.lock().unwrap().push((committed.account().clone(), committed.generation(), token));
        self.called.notify_one();
        {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        match &self.does {
            Does::Find | Does::FindOnce => {}
            Does::Hang => pending().await,
            Does::Panic => panic!("a hook that panics"),
            Does::Fail => return Err("no".into()),
            Does::WaitFor(bucket) => bucket.acquire().await?.forget(),
        }
        self.running.lock().unwrap().0 -= 1;
        Ok(Additions::new().text("project_id", "p-1")?)
    }
}

async fn hooked(world: &World, hook: &Arc<Lookup>) -> Solekey {
    let hook = Arc::clone(hook) as Arc<dyn AfterCommit>;
    world.builder(policy()).after_commit(hook).build().await.unwrap()
}

/// The document in the row, in clear.
async fn document(world: &World, account: &Account) -> String {
    let payload = world.store.load(account).await.unwrap().record.unwrap().payload;
    String::from_utf8_lossy(payload.as_bytes()).into_owned()
}

async fn comes_to_hold(world: &World, account: &Account, text: &str) {
    for _ in 0..1000 {
        if document(world, account).await.contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{text} does not come: {}", document(world, account).await);
}

#[tokio::test(start_paused = true)]
async fn a_hook_runs_once_for_each_generation_of_this_process_and_for_no_other() {
    let (world, account) = World::overdue().await;
    let (mine, others) = (Lookup::that(Does::Find), Lookup::that(Does::Find));
    let (one, other) = (hooked(&world, &mine).await, hooked(&world, &others).await);
    let token = one.token(&account).await.unwrap();
    mine.is_called(1).await;
    other.token(&account).await.unwrap();
    one.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(mine.generations(), [token.generation()]);
    assert_eq!(mine.calls.lock().unwrap()[0].2, token.expose_secret());
    assert_eq!(others.count(), 0, "the other has adopted");
    let next = other.refresh(&account, None).await.unwrap();
    others.is_called(1).await;
    let login = world.provider.grant("b", HOUR);
    let b = crate::fixture::account("b");
    one.login(&b, login.as_bytes(), false).await.unwrap();
    one.login(&b, login.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(others.generations(), [next.generation()]);
    assert_eq!(mine.count(), 2, "one login is new, the other one changes nothing");
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_finds_is_stored_next_to_the_tokens_and_stays_there() {
    let (world, account) = World::overdue().await;
    let hook = Lookup::that(Does::FindOnce);
    let replica = hooked(&world, &hook).await;
    let token = replica.token(&account).await.unwrap();
    comes_to_hold(&world, &account, r#""project_id":"p-1""#).await;
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert_eq!(row.generation, token.generation(), "no new generation");
    let next = replica.refresh(&account, None).await.unwrap();
    let document = document(&world, &account).await;
    assert!(document.contains(next.expose_secret()) && document.contains("p-1"), "{document}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(hook.count(), 1, "it knows the project");
}

/// S-T75.
#[tokio::test(start_paused = true)]
async fn a_hook_sees_what_is_durable_and_published_although_its_caller_is_gone() {
    let (world, account) = World::overdue().await;
    let hook = Lookup::that(Does::Find);
    let replica = hooked(&world, &hook).await;
    let call = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    call.abort();
    hook.is_called(1).await;
    let (_, generation, token) = hook.calls.lock().unwrap()[0].clone();
    assert!(document(&world, &account).await.contains(&token));
    let other = world.replica().await;
    assert_eq!(other.token(&account).await.unwrap().generation(), generation);
}

/// S-T77.
#[tokio::test(start_paused = true)]
async fn a_hook_that_comes_late_is_shown_the_row_and_writes_to_the_row_as_it_is_by_then() {
    let (world, account) = World::overdue().await;
    let hook = Lookup::that(Does::WaitFor(Semaphore::new(0)));
    let replica = hooked(&world, &hook).await;
    replica.token(&account).await.unwrap();
    hook.is_called(1).await;
    // Rotated meanwhile, by a process without hooks.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let newer = world.replica().await.refresh(&account, None).await.unwrap();
    let Does::WaitFor(bucket) = &hook.does else { unreachable!() };
    bucket.add_permits(1);
    comes_to_hold(&world, &account, "p-1").await;
    assert!(document(&world, &account).await.contains(newer.expose_secret()));
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert_eq!(row.generation, newer.generation());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_ne!(world.replica().await.refresh(&account, None).await.unwrap().generation(), newer.generation());
    assert_eq!(world.provider.doubles(), 0, "the tokens of the row are the newest");
}

#[tokio::test(start_paused = true)]
async fn what_was_found_about_one_login_is_not_written_to_the_next() {
    let (world, account) = World::overdue().await;
    let hook = Lookup::that(Does::WaitFor(Semaphore::new(0)));
    let replica = hooked(&world, &hook).await;
    replica.token(&account).await.unwrap();
    hook.is_called(1).await;
    let login = world.provider.grant("a", HOUR);
    world.replica().await.login(&account, login.as_bytes(), false).await.unwrap();
    let Does::WaitFor(bucket) = &hook.does else { unreachable!() };
    bucket.add_permits(1);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(!document(&world, &account).await.contains("p-1"));
}

#[tokio::test(start_paused = true)]
async fn what_is_found_during_an_exchange_survives_it() {
    let (world, account) = World::overdue().await;
    let hook = Lookup::that(Does::WaitFor(Semaphore::new(0)));
    let replica = hooked(&world, &hook).await;
    replica.token(&account).await.unwrap();
    hook.is_called(1).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.provider.close();
    let call = tokio::spawn({
        let (other, account) = (world.replica().await, account.clone());
        async move { other.refresh(&account, None).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let Does::WaitFor(bucket) = &hook.does else { unreachable!() };
    bucket.add_permits(1);
    comes_to_hold(&world, &account, "p-1").await;
    let open = world.store.load(&account).await.unwrap().record.unwrap().row.open;
    assert!(open.is_some(), "the exchange is under way");
    world.provider.open();
    let newer = call.await.unwrap().unwrap();
    comes_to_hold(&world, &account, newer.expose_secret()).await;
    comes_to_hold(&world, &account, "p-1").await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_fails_or_panics_costs_no_refresh() {
    for does in [Does::Hang, Does::Panic, Does::Fail] {
        let (world, account) = World::overdue().await;
        let hook = Lookup::that(does);
        let after = Lookup::that(Does::Find);
        let replica = world
            .builder(policy())
            .after_commit(Arc::clone(&hook) as Arc<dyn AfterCommit>)
            .after_commit(Arc::clone(&after) as Arc<dyn AfterCommit>)
            .build()
            .await
            .unwrap();
        let mut newest = replica.token(&account).await.unwrap();
        hook.is_called(1).await;
        for _ in 0..3 {
            // Longer than an exchange takes, shorter than a hook may hang.
            let refresh = replica.refresh(&account, Some(newest.generation()));
            newest = tokio::time::timeout(Duration::from_secs(7), refresh).await.unwrap().unwrap();
        }
        after.is_called(1).await;
        assert_eq!(replica.state(&account).await.unwrap().rotations, 4);
        let down = tokio::time::timeout(Duration::from_secs(4), replica.shutdown(Duration::from_secs(60)));
        assert_eq!(down.await.unwrap().in_doubt, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_have_a_budget_of_their_own() {
    let world = World::new();
    let hook = Lookup::that(Does::Hang);
    let replica = hooked(&world, &hook).await;
    for id in 0..1100 {
        let id = id.to_string();
        let document = world.provider.grant(&id, HOUR);
        replica.login(&crate::fixture::account(&id), document.as_bytes(), false).await.unwrap();
    }
    // All of them hang until their time is over.
    tokio::time::sleep(Duration::from_secs(1100 * 10)).await;
    assert_eq!(hook.running.lock().unwrap().1, hook.count(), "none of them ever ends by itself");
    assert!((1024..1100).contains(&hook.count()), "{} of 1100", hook.count());
    let bucket = Lookup::that(Does::WaitFor(Semaphore::new(0)));
    let replica = hooked(&world, &bucket).await;
    for id in 0..20 {
        replica.refresh(&crate::fixture::account(&id.to_string()), None).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(bucket.running.lock().unwrap().1, 8);
}

#[tokio::test(start_paused = true)]
async fn a_hook_cools_down_by_account() {
    let world = World::new();
    let (a, b) = (world.log_in("a", HOUR).await, world.log_in("b", HOUR).await);
    let hook = Arc::new(Lookup { does: Does::Fail, cooldown: Duration::from_secs(300), ..Lookup::default() });
    let replica = hooked(&world, &hook).await;
    replica.refresh(&a, None).await.unwrap();
    hook.is_called(1).await;
    tokio::time::sleep(Duration::from_secs(290)).await;
    replica.refresh(&a, None).await.unwrap();
    replica.refresh(&b, None).await.unwrap();
    hook.is_called(2).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let accounts = |hook: &Lookup| -> Vec<_> {
        hook.calls.lock().unwrap().iter().map(|(account, ..)| account.id().to_owned()).collect()
    };
    assert_eq!(accounts(&hook), ["a", "b"], "a failure cools down, too");
    tokio::time::sleep(Duration::from_secs(10)).await;
    replica.refresh(&a, None).await.unwrap();
    hook.is_called(3).await;
    assert_eq!(accounts(&hook), ["a", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn no_hook_runs_for_a_refresh_that_failed_and_a_pair_found_is_a_commit() {
    let (world, account) = World::overdue().await;
    let hook = Lookup::that(Does::Find);
    let sealed = Arc::clone(&hook) as Arc<dyn AfterCommit>;
    let replica = hooked(&world, &hook).await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    assert!(replica.token(&account).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(hook.count(), 0);
    drop(replica);
    let world = World::new();
    let replica = world.builder(policy()).seal(seal()).after_commit(sealed).build().await.unwrap();
    let document = world.provider.grant("s", HOUR);
    let account = crate::fixture::account("s");
    replica.login(&account, document.as_bytes(), false).await.unwrap();
    hook.is_called(1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let text = self::document(&world, &account).await;
    assert!(!text.contains("p-1") && !text.contains("access"), "it is sealed");
    replica.refresh(&account, None).await.unwrap();
    hook.is_called(2).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_found_and_no_store_takes_is_given_up_after_some_minutes() {
    let (world, account) = World::overdue().await;
    let hook = Lookup::that(Does::Find);
    let replica = hooked(&world, &hook).await;
    world.store.faults().fail_next_of("reseal", 100_000, solekey_testkit::memory::Fault::NotApplied);
    replica.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let tried = world.store.faults().calls("reseal");
    assert!((60..=120).contains(&tried), "{tried}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.store.faults().calls("reseal"), tried);
}
