//! Late writes and late reads, which make no token live longer.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use solekey_core::{
    Account, Generation, PolicySettings, Sealed, StoreTime,
    ports::{Cache, CacheEntry, Clock as _, Listen, Publication, Trouble},
};
use solekey_testkit::memory::{MemoryCache, TestClock};

use crate::{
    fixture::{HOUR, World, account, policy, polled},
    rejections::refused,
};

/// A shared cache behind a slow connection.
struct Slow {
    shared_cache: Arc<MemoryCache>,
    /// Publications are kept back, and the caller gives up on them.
    keeps_back: AtomicBool,
    kept: Mutex<Vec<(Account, Publication)>>,
    /// The time that the next read takes on its way back.
    stop: Mutex<Duration>,
}

impl Slow {
    fn new(world: &World) -> Arc<Self> {
        let shared_cache = Arc::clone(&world.cache);
        let (keeps_back, kept, stop) = (AtomicBool::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { shared_cache, keeps_back, kept, stop })
    }

    /// Delivers what was held back.
    async fn let_go(&self) -> usize {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        for (account, publication) in &kept {
            self.shared_cache.publish(account, publication).await.unwrap();
        }
        kept.len()
    }
}

#[async_trait]
impl Cache for Slow {
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble> {
        let shared_cache = self.shared_cache.read(account).await;
        let stop = std::mem::take(&mut *self.stop.lock().unwrap());
        tokio::time::sleep(stop).await;
        shared_cache
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        self.shared_cache.time().await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        if self.keeps_back.load(Relaxed) {
            self.kept.lock().unwrap().push((account.clone(), publication.clone()));
            return Err(Trouble::unknown("no answer in time"));
        }
        self.shared_cache.publish(account, publication).await
    }

    async fn reject(&self, account: &Account, generation: Generation, proof: &Sealed) -> Result<(), Trouble> {
        self.shared_cache.reject(account, generation, proof).await
    }

    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        self.shared_cache.clear_rejection(account, generation).await
    }

    async fn forget(&self, account: &Account) -> Result<(), Trouble> {
        Cache::forget(&*self.shared_cache, account).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        self.shared_cache.listen().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_is_carried_out_late_makes_no_token_live_longer() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let line = Slow::new(&world);
    line.keeps_back.store(true, Relaxed);
    let replica =
        world.embedded(policy()).cache(line.clone()).lease(world.lease.clone()).build().await.unwrap();
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    replica.shutdown(Duration::from_secs(1)).await;

    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(line.let_go().await > 0);
    let shown = world.cache.read(&account).await.unwrap().token.expect("half of its life is left");
    assert!(shown.valid <= Duration::from_secs(1800), "{:?}", shown.valid);
    let other = world.replica().await;
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-3");
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_end_came_while_the_process_was_stopped_is_not_handed_out() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(60)).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    let line = Slow::new(&world);
    let replica =
        world.embedded(policy()).cache(line.clone()).lease(world.lease.clone()).build().await.unwrap();
    *line.stop.lock().unwrap() = Duration::from_secs(12);
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn a_login_whose_process_is_stopped_at_any_await_gives_its_token_no_longer_life() {
    for polls in 1..40 {
        let world = World::new();
        let (account, replica) = (account("a"), world.replica().await);
        let document = world.provider.grant("a", HOUR);
        let mut login = pin!(replica.login(&account, document.as_bytes(), false));
        let ended = polled(polls, login.as_mut()).await;
        tokio::time::advance(Duration::from_secs(61)).await;
        if !ended {
            login.await.unwrap();
        }
        let shown = world.cache.read(&account).await.unwrap().token.expect("it has just been logged in");
        assert!(shown.valid + Duration::from_secs(61) <= HOUR, "{polls}: {:?}", shown.valid);
        if ended {
            return;
        }
    }
    panic!("it does not end");
}

#[tokio::test(start_paused = true)]
async fn what_an_exchange_takes_is_not_added_to_the_end_that_people_are_shown() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let clock = TestClock::tokio();
    let replica = world.builder(policy()).clock(Arc::new(clock.clone())).build().await.unwrap();
    let asked = clock.wall();
    let token = replica.token(&account).await.unwrap();
    assert!(clock.wall() >= asked + Duration::from_millis(100), "the exchange takes a while");
    let end = token.expires_at().unwrap();
    assert!(end < asked + HOUR + Duration::from_millis(50), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_acted_upon_although_another_flight_outlasted_its_reporters_patience() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let token = world.replica().await.token(&account).await.unwrap();
    let line = Slow::new(&world);
    let impatient = PolicySettings { max_wait: Duration::ZERO, ..PolicySettings::default() }.build().unwrap();
    let replica =
        world.embedded(impatient).cache(line.clone()).lease(world.lease.clone()).build().await.unwrap();
    // A flight that is about to serve the token, for a caller who does not wait for it.
    *line.stop.lock().unwrap() = Duration::from_secs(20);
    replica.token(&account).await.unwrap_err();
    replica.token_after_rejection(&account, refused(&token)).await.unwrap_err();
    assert_eq!(world.provider.presentations(), 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.provider.presentations(), 1);
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

#[test]
fn a_report_of_a_rejection_may_be_dropped_where_no_runtime_is() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let report = runtime.block_on(async {
        let world = World::new();
        let account = world.log_in("a", HOUR).await;
        let token = world.replica().await.token(&account).await.unwrap();
        let line = Slow::new(&world);
        let impatient =
            PolicySettings { max_wait: Duration::ZERO, ..PolicySettings::default() }.build().unwrap();
        let replica = world.embedded(impatient).cache(line.clone()).build().await.unwrap();
        *line.stop.lock().unwrap() = Duration::from_secs(20);
        replica.token(&account).await.unwrap_err();
        let reporting = async move { replica.token_after_rejection(&account, refused(&token)).await };
        let mut report = Box::pin(reporting);
        assert!(!polled(3, report.as_mut()).await, "another flight is in its way");
        Some(report)
    });
    drop(report);
}
