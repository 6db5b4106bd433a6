//! Random operations on the server and on a model of it, which must agree after each.

use std::collections::HashMap;
use std::time::Duration;

use solekey_conformance::model::Plan;
use solekey_redis_link::{RedisLink, cmd};
use solekey_redis_lock::{Acquired, LeaseToken, RedisLock, Released, Renewed};

use crate::fixture::{Server, steady};

const KEYS: [&str; 3] = ["a", "b", "c"];
const TOKENS: usize = 4;
/// Nothing runs out by itself during a run; expiry is an operation.
const TTL: Duration = Duration::from_secs(3600);

/// The meaning of the scripts, without a server.
#[derive(Default)]
struct Model {
    leases: HashMap<&'static str, Lease>,
    /// The largest fence ever granted, which even a flush must not undercut.
    largest: HashMap<&'static str, u64>,
}

#[derive(Clone, Copy)]
struct Lease {
    fence: u64,
    owner: LeaseToken,
    held: bool,
}

enum Expected {
    /// A new fence: the maximum of this and the server's time.
    New(u64),
    Same(u64),
    Busy,
    Late,
}

impl Model {
    fn acquire(&self, key: &str, token: LeaseToken, floor: u64, late: bool) -> Expected {
        match self.leases.get(key) {
            _ if late => Expected::Late,
            Some(lease) if lease.held && lease.owner == token => Expected::Same(lease.fence),
            Some(lease) if lease.held => Expected::Busy,
            Some(lease) if lease.owner == token => Expected::Late,
            Some(lease) => Expected::New((lease.fence + 1).max(floor + 1)),
            None => Expected::New(floor + 1),
        }
    }

    fn grant(&mut self, key: &'static str, token: LeaseToken, fence: u64) {
        self.leases.insert(key, Lease { fence, owner: token, held: true });
        self.largest.insert(key, fence);
    }

    fn owns(&self, key: &str, token: LeaseToken) -> bool {
        self.leases.get(key).is_some_and(|lease| lease.held && lease.owner == token)
    }

    fn release(&mut self, key: &str, token: LeaseToken) -> Released {
        match self.leases.get_mut(key) {
            Some(lease) if lease.owner == token => {
                lease.held = false;
                Released::Released
            }
            _ => Released::Lost,
        }
    }
}

struct Run {
    link: RedisLink,
    lock: RedisLock,
    model: Model,
    tokens: Vec<LeaseToken>,
    rng: fastrand::Rng,
}

impl Run {
    async fn step(&mut self) {
        let key = KEYS[self.rng.usize(..KEYS.len())];
        let slot = self.rng.usize(..TOKENS);
        let token = self.tokens[slot];
        match self.rng.u32(..100) {
            0..50 => self.acquire(key, token).await,
            50..60 => self.renew(key, token).await,
            60..85 => self.release(key, token).await,
            85..92 => self.expire(key).await,
            92..98 => self.tokens[slot] = LeaseToken::random(),
            _ => self.flush().await,
        }
    }

    async fn acquire(&mut self, key: &'static str, token: LeaseToken) {
        let before = self.time().await;
        let largest = self.model.largest.get(key).copied().unwrap_or_default();
        // After a flush the clock alone carries the order on, unless an earlier floor was ahead of it.
        let ahead_of_clock = largest >= before;
        let floor = match self.rng.u32(..4) {
            _ if ahead_of_clock => largest,
            0 => before + self.rng.u64(1..2_000),
            1 => self.rng.u64(..before),
            _ => 0,
        };
        let not_after = match self.rng.u32(..10) {
            0 => before - self.rng.u64(1..before),
            1..5 => before + 60_000_000,
            _ => 0,
        };
        let late = not_after != 0 && not_after < before;
        let expected = self.model.acquire(key, token, floor, late);
        let answer = self.lock.acquire_raw(key, token, TTL, floor, not_after).await.unwrap();
        let after = self.time().await;
        match (expected, answer) {
            (Expected::Busy, Acquired::Busy { remaining }) => assert!(remaining <= TTL),
            (Expected::Late, Acquired::Late) => {}
            (Expected::Same(least), Acquired::Granted { fence, .. }) => {
                assert_eq!(fence.get(), least);
            }
            (Expected::New(least), Acquired::Granted { fence, .. }) => {
                let fence = fence.get();
                assert!((least.max(before)..=least.max(after)).contains(&fence), "{fence} for {least}");
                assert!(fence > largest, "{fence} after {largest}");
                self.model.grant(key, token, fence);
            }
            (_, answer) => panic!("the server says {answer:?}, the model something else"),
        }
    }

    async fn renew(&mut self, key: &'static str, token: LeaseToken) {
        let expected = if self.model.owns(key, token) { Renewed::Renewed } else { Renewed::Lost };
        assert_eq!(self.lock.renew_raw(key, token, TTL).await, Ok(expected));
    }

    async fn release(&mut self, key: &'static str, token: LeaseToken) {
        let expected = self.model.release(key, token);
        assert_eq!(self.lock.release_raw(key, token).await, Ok(expected));
    }

    async fn expire(&mut self, key: &'static str) {
        self.model.leases.remove(key);
        self.link.query::<()>(cmd("PEXPIRE").arg(key).arg(0)).await.unwrap();
    }

    async fn flush(&mut self) {
        self.model.leases.clear();
        self.link.query::<()>(&cmd("FLUSHALL")).await.unwrap();
    }

    async fn time(&self) -> u64 {
        let (seconds, micros): (u64, u64) = self.link.query(&cmd("TIME")).await.unwrap();
        seconds * 1_000_000 + micros
    }
}

#[tokio::test]
async fn the_scripts_do_what_a_model_of_them_does() {
    let Plan { operations, seed } = Plan::from_env();
    println!("SOLEKEY_MODEL_SEED={seed} SOLEKEY_MODEL_OPS={operations}: the scripts of the lock");
    let server = Server::start().await;
    let link = RedisLink::connect(&server.url(), steady()).await.unwrap();
    let lock = RedisLock::new(link.clone());
    let tokens = std::iter::repeat_with(LeaseToken::random).take(TOKENS).collect();
    let mut run = Run { link, lock, model: Model::default(), tokens, rng: fastrand::Rng::with_seed(seed) };
    for _ in 0..operations {
        run.step().await;
    }
}
