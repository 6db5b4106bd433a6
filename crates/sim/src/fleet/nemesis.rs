//! The nemesis: what goes wrong with whole processes and servers.

use std::{sync::Arc, time::Duration};

use solekey_core::ports::{Clock as _, Lease as _, LeaseReply};
use solekey_testkit::memory::MemoryClock;
use tokio::time::sleep;

use super::{
    history::{What, Who},
    network::at_once,
    replica::Fleet,
    rng::Rng,
    setup::{Faults, secs},
    world::{Server, lock},
};

/// A move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    Crash,
    Pause,
    Restart,
    StoreAway,
    RedisAway,
    AnswersAway,
    Flush,
    AnswersLost,
    Gap,
    Clock,
    StoreClock,
    StoreBack,
    Provider,
    Withdrawn,
    RedisClock,
}

/// Makes its moves until it is aborted.
pub(crate) async fn torment(fleet: Arc<Fleet>) {
    let setup = &fleet.world.setup;
    let moves = moves(&setup.faults);
    let rng = Rng::new(setup.seed, 3);
    if setup.calm || moves.is_empty() {
        return;
    }
    let pause = setup.chaos / u32::try_from(4 + rng.below(20)).unwrap_or(10);
    loop {
        sleep(rng.skewed(pause * 4)).await;
        make(&fleet, rng.pick(&moves), &rng);
    }
}

fn moves(faults: &Faults) -> Vec<Move> {
    let weights = [
        (Move::Crash, faults.crash),
        (Move::Pause, faults.pause),
        (Move::Restart, faults.restart),
        (Move::StoreAway, faults.store_away),
        (Move::RedisAway, faults.redis_away),
        (Move::AnswersAway, faults.answers_away),
        (Move::Flush, faults.flush),
        (Move::AnswersLost, faults.answers_lost),
        (Move::Gap, faults.gap),
        (Move::Clock, faults.clock),
        (Move::StoreClock, faults.store_clock),
        (Move::StoreBack, faults.store_back),
        (Move::Provider, faults.provider),
        (Move::Withdrawn, faults.withdrawn),
        (Move::RedisClock, faults.redis_clock),
    ];
    weights.iter().flat_map(|(made, weight)| std::iter::repeat_n(*made, *weight)).collect()
}

fn make(fleet: &Arc<Fleet>, made: Move, rng: &Rng) {
    match made {
        Move::Crash => crash(fleet, rng),
        Move::Pause => pause(fleet, rng),
        Move::Restart => restart(fleet, rng),
        Move::StoreAway => away(fleet, rng, Server::Store),
        Move::RedisAway => away(fleet, rng, Server::Redis),
        Move::AnswersAway => away(fleet, rng, Server::Answers),
        Move::Flush => flush(fleet, rng),
        Move::AnswersLost => answers_lost(fleet),
        Move::Gap => {
            report(fleet, "subscriptions broken", String::new());
            fleet.world.cache.gap();
        }
        Move::Clock => clock(fleet, rng),
        Move::StoreClock => {
            step(fleet, rng, fleet.world.store.clock(), ["store clock ahead", "store clock back"]);
        }
        Move::RedisClock => {
            step(fleet, rng, &fleet.world.redis_clock, ["redis clock ahead", "redis clock back"]);
        }
        Move::StoreBack => store_back(fleet, rng),
        Move::Provider => provider(fleet, rng),
        Move::Withdrawn => {
            let account = rng.pick(&fleet.world.accounts);
            lock(&fleet.world.provider).withdraw(&account);
            report(fleet, "grant withdrawn", account.id().to_owned());
        }
    }
}

fn report(fleet: &Fleet, kind: &'static str, detail: String) {
    fleet.world.log(Who::World, What::Nemesis(kind, detail));
}

/// Seconds to a few spans: long enough to matter for attempts, leases and watches.
fn while_(fleet: &Fleet, rng: &Rng) -> Duration {
    rng.skewed(fleet.world.policy.span() * 3) + Duration::from_millis(50)
}

fn crash(fleet: &Arc<Fleet>, rng: &Rng) {
    let index = rng.below(fleet.len());
    if fleet.kill(index) {
        raise_later(fleet, index, while_(fleet, rng));
    }
}

fn raise_later(fleet: &Arc<Fleet>, index: usize, after: Duration) {
    let fleet = Arc::clone(fleet);
    tokio::spawn(async move {
        sleep(after).await;
        fleet.raise(index).await;
    });
}

fn pause(fleet: &Arc<Fleet>, rng: &Rng) {
    let Some(replica) = fleet.get(rng.below(fleet.len())) else { return };
    let process = replica.process;
    let wished = while_(fleet, rng);
    let span = fleet.world.longest_pause(process.who()).map_or(wished, |margin| wished.min(margin));
    if span.is_zero() {
        return;
    }
    process.stop();
    fleet.world.log(process.who(), What::Paused(span));
    tokio::spawn(async move {
        sleep(span).await;
        process.resume();
    });
}

fn restart(fleet: &Arc<Fleet>, rng: &Rng) {
    let index = rng.below(fleet.len());
    let deadline = rng.pick(&[Duration::ZERO, secs(1), secs(5), secs(24)]);
    let pause = rng.skewed(secs(5));
    if fleet.get(index).is_none_or(|replica| !replica.process.is_running()) {
        return;
    }
    let fleet = Arc::clone(fleet);
    tokio::spawn(async move {
        if fleet.shut_down(index, deadline).await {
            sleep(pause).await;
            fleet.raise(index).await;
        }
    });
}

fn away(fleet: &Arc<Fleet>, rng: &Rng, server: Server) {
    let span = while_(fleet, rng);
    let replica = rng.chance(500).then(|| rng.below(fleet.len()));
    fleet.world.send_away(server, replica, span);
    report(fleet, name(server), format!("for {span:?}, for {replica:?}"));
    if server == Server::Redis {
        let fleet = Arc::clone(fleet);
        tokio::spawn(async move {
            sleep(span + Duration::from_millis(1)).await;
            // Whoever reconnects knows that it may have missed something.
            fleet.world.cache.gap();
        });
    }
}

fn name(server: Server) -> &'static str {
    match server {
        Server::Store => "store away",
        Server::Answers => "answers away",
        Server::Redis => "redis away",
    }
}

/// FLUSHALL, or a part of it.
fn flush(fleet: &Fleet, rng: &Rng) {
    let world = &fleet.world;
    if rng.chance(700) {
        world.lease.wipe();
        world.log(Who::World, What::LeasesLost);
    } else {
        // One lease ends early.
        let account = rng.pick(&world.accounts);
        let thief = solekey_core::ClaimId::new(uuid::Uuid::nil());
        let taken = at_once(world.lease.acquire(&account, thief, Duration::from_millis(1), None));
        if !matches!(taken, Ok(LeaseReply::Granted { .. })) {
            world.lease.wipe();
            world.log(Who::World, What::LeasesLost);
        }
    }
    if rng.chance(600) {
        world.cache.wipe();
        world.log(Who::World, What::SharedCacheLost);
    }
}

fn answers_lost(fleet: &Fleet) {
    fleet.world.answers.wipe();
    fleet.world.log(Who::World, What::AnswersLost);
}

fn clock(fleet: &Fleet, rng: &Rng) {
    let Some(replica) = fleet.get(rng.below(fleet.len())) else { return };
    let clock = &replica.process.clock;
    let by = rng.skewed(secs(3600));
    let kind = rng.below(3);
    match kind {
        // A suspend that nobody but the clock noticed, or a wall clock that ran ahead: the pessimistic clock follows.
        0 => clock.advance(by),
        1 => clock.set_wall(clock.wall() + by),
        _ => clock.set_wall(clock.wall() - by),
    }
    let kind = ["clock ahead", "wall ahead", "wall back"][kind];
    fleet.world.log(replica.process.who(), What::Nemesis(kind, format!("by {by:?}")));
}

fn step(fleet: &Fleet, rng: &Rng, clock: &MemoryClock, [ahead, back]: [&'static str; 2]) {
    let by = rng.skewed(secs(600));
    if rng.chance(700) {
        clock.advance(by);
        return report(fleet, ahead, format!("by {by:?}"));
    }
    clock.set(clock.now() - by);
    report(fleet, back, format!("by {by:?}"));
}

/// A backup now, brought back later; now and then that of a whole machine, with its clock or its answers, or of one that
/// never heard of the accounts.
fn store_back(fleet: &Arc<Fleet>, rng: &Rng) {
    let snapshot = fleet.world.store.snapshot();
    let (then, began) = (fleet.world.store.clock().now(), fleet.world.now());
    let span = while_(fleet, rng);
    let kind = rng.below(10);
    let fleet = Arc::clone(fleet);
    tokio::spawn(async move {
        sleep(span).await;
        let world = &fleet.world;
        if world.is_healed() {
            return;
        }
        world.store.restore(&snapshot);
        if kind < 3 {
            world.store.clock().set(then);
            report(&fleet, "store clock back", format!("by {:?}", world.now().saturating_sub(began)));
        }
        match kind {
            1..=5 => answers_lost(&fleet),
            6 => world.accounts.iter().for_each(|account| world.store.forget(account)),
            _ => {}
        }
        world.log(Who::World, What::WentBack);
    });
}

#[expect(clippy::same_functions_in_if_condition, reason = "chance is drawn anew")]
fn provider(fleet: &Fleet, rng: &Rng) {
    let until = fleet.world.now() + while_(fleet, rng);
    let mut provider = lock(&fleet.world.provider);
    let kind = if rng.chance(550) {
        provider.down_until = until;
        "provider down"
    } else if rng.chance(400) {
        provider.nonce_until = until;
        "provider wants a nonce"
    } else if rng.chance(400) {
        provider.estranged = Some(rng.pick(&fleet.world.accounts));
        "provider does not know our client for one account"
    } else {
        provider.stranger_until = until;
        "provider does not know our client"
    };
    drop(provider);
    report(fleet, kind, format!("until {until:?}"));
}
