//! The nemesis: what goes wrong with whole processes and servers.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    StoreTime,
    ports::{Clock as _, Lease as _, LeaseReply},
};
use tokio::time::sleep;

use super::{
    dice::Dice,
    history::{What, Who},
    network::at_once,
    replica::Fleet,
    setup::{Weathers, secs},
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
}

/// Makes its moves until it is aborted.
pub(crate) async fn torment(fleet: Arc<Fleet>) {
    let setup = &fleet.world.setup;
    let moves = moves(&setup.weathers);
    let dice = Dice::new(setup.seed, 3);
    if setup.calm || moves.is_empty() {
        return;
    }
    let pause = setup.chaos / u32::try_from(4 + dice.below(20)).unwrap_or(10);
    loop {
        sleep(dice.skewed(pause * 4)).await;
        make(&fleet, dice.pick(&moves), &dice);
    }
}

fn moves(weathers: &Weathers) -> Vec<Move> {
    let weights = [
        (Move::Crash, weathers.crash),
        (Move::Pause, weathers.pause),
        (Move::Restart, weathers.restart),
        (Move::StoreAway, weathers.store_away),
        (Move::RedisAway, weathers.redis_away),
        (Move::AnswersAway, weathers.answers_away),
        (Move::Flush, weathers.flush),
        (Move::AnswersLost, weathers.answers_lost),
        (Move::Gap, weathers.gap),
        (Move::Clock, weathers.clock),
        (Move::StoreClock, weathers.store_clock),
        (Move::StoreBack, weathers.store_back),
        (Move::Provider, weathers.provider),
        (Move::Withdrawn, weathers.withdrawn),
    ];
    weights.iter().flat_map(|(made, weight)| std::iter::repeat_n(*made, *weight)).collect()
}

fn make(fleet: &Arc<Fleet>, made: Move, dice: &Dice) {
    match made {
        Move::Crash => crash(fleet, dice),
        Move::Pause => pause(fleet, dice),
        Move::Restart => restart(fleet, dice),
        Move::StoreAway => away(fleet, dice, Server::Store),
        Move::RedisAway => away(fleet, dice, Server::Redis),
        Move::AnswersAway => away(fleet, dice, Server::Answers),
        Move::Flush => flush(fleet, dice),
        Move::AnswersLost => answers_lost(fleet),
        Move::Gap => {
            tell(fleet, "subscriptions broken", String::new());
            fleet.world.cache.gap();
        }
        Move::Clock => clock(fleet, dice),
        Move::StoreClock => store_clock(fleet, dice),
        Move::StoreBack => store_back(fleet, dice),
        Move::Provider => provider(fleet, dice),
        Move::Withdrawn => {
            let account = dice.pick(&fleet.world.accounts);
            lock(&fleet.world.provider).withdraw(&account);
            tell(fleet, "grant withdrawn", account.id().to_owned());
        }
    }
}

fn tell(fleet: &Fleet, kind: &'static str, detail: String) {
    fleet.world.log(Who::World, What::Nemesis(kind, detail));
}

/// Seconds to a few spans: long enough to matter for attempts, leases and watches.
fn while_(fleet: &Fleet, dice: &Dice) -> Duration {
    dice.skewed(fleet.world.policy.span() * 3) + Duration::from_millis(50)
}

fn crash(fleet: &Arc<Fleet>, dice: &Dice) {
    let index = dice.below(fleet.len());
    if fleet.kill(index) {
        raise_later(fleet, index, while_(fleet, dice));
    }
}

fn raise_later(fleet: &Arc<Fleet>, index: usize, after: Duration) {
    let fleet = Arc::clone(fleet);
    tokio::spawn(async move {
        sleep(after).await;
        fleet.raise(index).await;
    });
}

fn pause(fleet: &Arc<Fleet>, dice: &Dice) {
    let Some(replica) = fleet.get(dice.below(fleet.len())) else { return };
    let process = replica.process;
    let wished = while_(fleet, dice);
    let span = fleet.world.room_for_pause(process.who()).map_or(wished, |room| wished.min(room));
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

fn restart(fleet: &Arc<Fleet>, dice: &Dice) {
    let index = dice.below(fleet.len());
    let deadline = dice.pick(&[Duration::ZERO, secs(1), secs(5), secs(24)]);
    let pause = dice.skewed(secs(5));
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

fn away(fleet: &Arc<Fleet>, dice: &Dice, server: Server) {
    let span = while_(fleet, dice);
    let replica = dice.chance(500).then(|| dice.below(fleet.len()));
    fleet.world.send_away(server, replica, span);
    tell(fleet, name(server), format!("for {span:?}, for {replica:?}"));
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
fn flush(fleet: &Fleet, dice: &Dice) {
    let world = &fleet.world;
    if dice.chance(700) {
        world.lease.wipe();
        world.log(Who::World, What::LeasesLost);
    } else {
        // One lease ends early.
        let account = dice.pick(&world.accounts);
        let thief = solekey_core::ClaimId::new(uuid::Uuid::nil());
        let taken = at_once(world.lease.acquire(&account, thief, Duration::from_millis(1), None));
        if !matches!(taken, Ok(LeaseReply::Granted { .. })) {
            world.lease.wipe();
            world.log(Who::World, What::LeasesLost);
        }
    }
    if dice.chance(600) {
        world.cache.wipe();
        world.log(Who::World, What::ShelfLost);
    }
}

fn answers_lost(fleet: &Fleet) {
    fleet.world.answers.wipe();
    fleet.world.log(Who::World, What::AnswersLost);
}

fn clock(fleet: &Fleet, dice: &Dice) {
    let Some(replica) = fleet.get(dice.below(fleet.len())) else { return };
    let clock = &replica.process.clock;
    let by = dice.skewed(secs(3600));
    let kind = dice.below(3);
    match kind {
        // A suspend that nobody but the clock noticed, or a wall clock that ran ahead: the pessimistic clock follows.
        0 => clock.advance(by),
        1 => clock.set_wall(clock.wall() + by),
        _ => clock.set_wall(clock.wall() - by),
    }
    let kind = ["clock ahead", "wall ahead", "wall back"][kind];
    fleet.world.log(replica.process.who(), What::Nemesis(kind, format!("by {by:?}")));
}

fn store_clock(fleet: &Fleet, dice: &Dice) {
    let clock = fleet.world.store.clock();
    let by = dice.skewed(secs(600));
    if dice.chance(700) {
        clock.advance(by);
        return tell(fleet, "store clock ahead", format!("by {by:?}"));
    }
    let now = clock.now();
    clock.set(StoreTime::from_micros(now.as_micros()) - by);
    tell(fleet, "store clock back", format!("by {by:?}"));
}

/// A backup now, brought back later; now and then that of a whole machine, with its clock or its answers, or of one that
/// never heard of the accounts.
fn store_back(fleet: &Arc<Fleet>, dice: &Dice) {
    let snapshot = fleet.world.store.snapshot();
    let (then, began) = (fleet.world.store.clock().now(), fleet.world.now());
    let span = while_(fleet, dice);
    let kind = dice.below(10);
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
            tell(&fleet, "store clock back", format!("by {:?}", world.now().saturating_sub(began)));
        }
        match kind {
            1..=5 => answers_lost(&fleet),
            6 => world.accounts.iter().for_each(|account| world.store.forget(account)),
            _ => {}
        }
        world.log(Who::World, What::WentBack);
    });
}

#[expect(clippy::same_functions_in_if_condition, reason = "the dice are thrown anew")]
fn provider(fleet: &Fleet, dice: &Dice) {
    let until = fleet.world.now() + while_(fleet, dice);
    let mut provider = lock(&fleet.world.provider);
    let kind = if dice.chance(550) {
        provider.down_until = until;
        "provider down"
    } else if dice.chance(400) {
        provider.nonce_until = until;
        "provider wants a nonce"
    } else if dice.chance(400) {
        provider.estranged = Some(dice.pick(&fleet.world.accounts));
        "provider does not know our client for one account"
    } else {
        provider.stranger_until = until;
        "provider does not know our client"
    };
    drop(provider);
    tell(fleet, kind, format!("until {until:?}"));
}
