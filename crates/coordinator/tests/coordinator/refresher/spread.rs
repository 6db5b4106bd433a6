//! Replicas and accounts that would do the same thing at the same moment.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use solekey::{Event, Observer, TokenError};
use tokio::time::Instant;

use super::{limits, shut_down};
use crate::fixture::{Script, World, policy};

/// Longer than an exchange, and shorter than any cooldown.
const WAIT: Duration = Duration::from_millis(300);

/// When a replica first took what is due.
#[derive(Default)]
struct First(Mutex<Option<Instant>>);

impl Observer for First {
    fn on(&self, event: &Event<'_>) {
        if let Event::Due { .. } = event {
            self.0.lock().unwrap().get_or_insert_with(Instant::now);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_start_together_do_not_take_together() {
    let world = World::new();
    world.overdue_accounts(120).await;
    world.provider.close();
    let began = Instant::now();
    let (mut fleet, mut firsts) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        let first = Arc::new(First::default());
        let observer = Arc::clone(&first) as Arc<dyn Observer>;
        fleet
            .push(world.with_refresher(policy(), limits(1_000, 8)).observer(observer).build().await.unwrap());
        firsts.push(first);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let taken = firsts.iter().map(|first| first.0.lock().unwrap().expect("there is enough for all") - began);
    let taken: BTreeSet<_> = taken.collect();
    assert!(taken.len() >= 10, "{taken:?}");
    let (first, last) = (taken.first().unwrap(), taken.last().unwrap());
    assert!(last.saturating_sub(*first) >= Duration::from_millis(300), "{taken:?}");
    world.provider.open();
    shut_down(fleet).await;
}

/// When a replica took what is due.
#[derive(Default)]
struct Times(Mutex<Vec<Instant>>);

impl Observer for Times {
    fn on(&self, event: &Event<'_>) {
        if let Event::Due { .. } = event {
            self.0.lock().unwrap().push(Instant::now());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_wait_for_the_end_of_one_pause_do_not_come_back_together() {
    let world = World::new();
    world.overdue_accounts(300).await;
    world.provider.script([Script::Later(30)]);
    let (mut fleet, mut taken) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        let times = Arc::new(Times::default());
        let observer = Arc::clone(&times) as Arc<dyn Observer>;
        fleet
            .push(world.with_refresher(policy(), limits(1_000, 2)).observer(observer).build().await.unwrap());
        taken.push(times);
    }
    while world.provider.presentations() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let end = Instant::now() + Duration::from_secs(29);
    tokio::time::sleep(Duration::from_secs(35)).await;
    let first = |times: &Arc<Times>| times.0.lock().unwrap().iter().find(|at| **at > end).copied();
    let firsts: BTreeSet<_> = taken.iter().filter_map(first).collect();
    assert!(firsts.len() >= 10, "{firsts:?}");
    let (first, last) = (firsts.first().unwrap(), firsts.last().unwrap());
    assert!(last.duration_since(*first) >= Duration::from_millis(300), "{firsts:?}");
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn accounts_that_fail_together_do_not_come_back_together() {
    let world = World::new();
    let accounts = world.overdue_accounts(40).await;
    let replica = world.replica().await;
    let mut again = BTreeSet::new();
    for round in 0..2 {
        world.provider.script(vec![Script::NotSent; accounts.len()]);
        for failed in join_all(accounts.iter().map(|account| replica.token_within(account, WAIT))).await {
            let Err(TokenError::RetryAt { at, .. }) = failed else { panic!("{failed:?}") };
            again.insert((round, at));
        }
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let second: Vec<_> = again.iter().filter(|(round, _)| *round == 1).map(|(_, at)| *at).collect();
    assert!(second.len() >= 30, "{second:?}");
    let spread = second.last().unwrap().duration_since(second[0]).unwrap();
    assert!((Duration::from_millis(200)..=Duration::from_millis(500)).contains(&spread), "{spread:?}");
}
