//! Random operations on guards, over a wire that takes its time and loses replies.

use std::time::{Duration, Instant};

use fastrand::Rng;
use solekey_conformance::model::Plan;
use solekey_redis_link::{RedisLink, cmd};
use solekey_redis_lock::{AcquireError, AcquireOptions, Guard, LockOptions, RedisLock};
use solekey_testkit::proxy::{Direction, FaultProxy, Mode};

use crate::fixture::{HANG, Server, heals, quick, within};

const KEY: &str = "lease";

struct Run {
    rng: Rng,
    wire: FaultProxy,
    /// Over the wire.
    link: RedisLink,
    lock: RedisLock,
    /// Past the wire: what the server itself says.
    referee: RedisLink,
    held: Option<Guard>,
}

impl Run {
    async fn step(&mut self) {
        // What is asked of a link that is down comes back at once: steps would be spent on nothing.
        heals(&self.link).await;
        let delay = Duration::from_millis(self.rng.u64(..50));
        if self.rng.u8(..6) == 0 {
            self.wire.set(Mode::Lose(Direction::ToClient)).await;
            let heals = async {
                tokio::time::sleep(delay).await;
                // What was lost stays lost, and takes its connection with it.
                self.wire.set(Mode::Cut).await;
                self.wire.set(Mode::Pass).await;
            };
            tokio::join!(act(&mut self.rng, &self.lock, &mut self.held), heals);
        } else {
            self.wire.set(Mode::Delay(delay)).await;
            act(&mut self.rng, &self.lock, &mut self.held).await;
        }
        if let Some(guard) = &self.held {
            let end = lease_end(&self.referee).await;
            assert!(guard.deadline() <= end, "a guard outlives its lease by {:?}", guard.deadline() - end);
            let left = end.saturating_duration_since(Instant::now());
            assert!(guard.remaining() <= left + CLOCKS, "a guard has more left than {left:?}");
        }
    }
}

/// One thing that a holder does.
async fn act(rng: &mut Rng, lock: &RedisLock, held: &mut Option<Guard>) {
    let Some(guard) = held.take() else {
        let ttl = Duration::from_millis(rng.u64(200..2_000));
        let asked = lock.try_acquire(KEY, ttl, AcquireOptions::default());
        match within("an acquire ends", asked).await {
            Ok(guard) => *held = Some(guard),
            Err(AcquireError::Invalid { field, .. }) => panic!("{field}"),
            // Whatever has become of it is settled by the janitor.
            Err(_) => {}
        }
        return;
    };
    if rng.u8(..3) == 0 {
        let _may_be_unknown = within("a release ends", guard.release()).await;
    } else {
        let _may_be_unknown = within("a renewal ends", guard.renew()).await;
        *held = Some(guard);
    }
}

/// The end of the lease by the server's own clock, or later, by at most the time of the round trip.
async fn lease_end(referee: &RedisLink) -> Instant {
    let value: Option<String> = referee.query(cmd("GET").arg(KEY)).await.unwrap();
    let (seconds, micros): (u64, u64) = referee.query(&cmd("TIME")).await.unwrap();
    let (now, asked) = (seconds * 1_000_000 + micros, Instant::now());
    let end: u64 = value.and_then(|value| value.split(' ').nth(3)?.parse().ok()).unwrap_or(0);
    let span = |micros: u64| Duration::from_micros(micros.min(HOUR));
    let over = asked.checked_sub(span(now.saturating_sub(end))).unwrap_or(asked);
    over + span(end.saturating_sub(now))
}

#[tokio::test]
async fn no_guard_outlives_its_lease_however_slow_the_wire_is() {
    let Plan { operations, seed } = Plan::from_env();
    println!("SOLEKEY_MODEL_SEED={seed} SOLEKEY_MODEL_OPS={operations}: guards");
    let server = Server::start().await;
    let wire = FaultProxy::start(server.address()).await.unwrap();
    let link = RedisLink::connect(&format!("redis://{}", wire.address()), quick()).await.unwrap();
    let options = LockOptions { step_allowance: Duration::ZERO, ..LockOptions::default() };
    let referee = server.observer().await;
    heals(&referee).await;
    let lock = RedisLock::with_options(link.clone(), options);
    let mut run = Run { rng: Rng::with_seed(seed), wire, link, lock, referee, held: None };
    let mut held = 0;
    // A slow connection leaves time for few operations.
    let steps = operations.isqrt();
    let (mut done, mut last) = (0, Instant::now());
    // On a machine so busy that leases run out before their guards are checked, some more.
    while done < steps || held < steps / 4 {
        run.step().await;
        done += 1;
        if run.held.is_some() {
            (held, last) = (held + 1, Instant::now());
        }
        assert!(last.elapsed() < HANG, "a lease was held only {held} times in {done} steps");
    }
}

/// The largest difference between two clocks of one machine within a second.
const CLOCKS: Duration = Duration::from_millis(1);
const HOUR: u64 = 3_600_000_000;
