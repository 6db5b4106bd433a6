//! After the faults: what people and processes do in a world in which everything takes its usual time. Sharp bounds
//! hold here that no world with faults could keep.

use std::{sync::Arc, time::Duration};

use solekey_core::Account;
use tokio::{task::JoinHandle, time::sleep};

use super::{
    callers::Caller,
    heal,
    history::{CallerRequest, What, Who},
    replica::Fleet,
    rng::Rng,
    setup::secs,
    world::lock,
};

/// Two drills, as the seed draws them, and rest after them.
pub(crate) async fn run(fleet: &Arc<Fleet>) {
    let world = &fleet.world;
    // Every cooldown and every breaker of the faults has ended by then.
    sleep(secs(340)).await;
    world.quiesce();
    let drills = Drills { fleet, rng: Rng::new(world.setup.seed, 4) };
    for _ in 0..2 {
        match drills.rng.below(6) {
            0 => drills.rejected().await,
            1 => drills.refused_for_hours().await,
            2 => drills.unheard().await,
            3 => drills.hung_up().await,
            4 => drills.provider_down().await,
            _ => drills.estranged().await,
        }
        lock(&world.provider).heal();
        sleep(secs(340)).await;
    }
    heal::rest_all(fleet).await;
}

struct Drills<'a> {
    fleet: &'a Arc<Fleet>,
    rng: Rng,
}

type Calls = Vec<JoinHandle<()>>;

impl Drills<'_> {
    /// An account with a fresh token, which every replica has.
    async fn fresh(&self, lifetime: Duration) -> Account {
        let account = self.rng.pick(&self.fleet.world.accounts);
        self.log_in(&account, lifetime).await;
        account
    }

    async fn log_in(&self, account: &Account, lifetime: Duration) {
        self.caller(0, account).login_for(CallerRequest::Login, false, lifetime).await;
        for index in 0..self.fleet.len() {
            drop(self.caller(index, account).token().await);
        }
    }

    fn caller(&self, index: usize, account: &Account) -> Caller {
        let replica = self.fleet.get(index).expect("all are up in the calm");
        Caller::new(self.fleet, &replica, account)
    }

    fn anywhere(&self) -> usize {
        self.rng.below(self.fleet.len())
    }

    /// One who asks, somewhere, after a while.
    fn ask_after(&self, calls: &mut Calls, index: usize, account: &Account, after: Duration) {
        let caller = self.caller(index, account);
        calls.push(spawn(caller, after, Then::Nothing));
    }

    /// The resource stops taking a token: some find out and report it while others ask.
    async fn rejected(&self) {
        let world = &self.fleet.world;
        let account = self.fresh(secs(3600)).await;
        let down = self.rng.chance(500);
        let unreachable = !down && self.rng.chance(500);
        if unreachable {
            world.cut_off(world.now() + secs(2));
        }
        if down {
            lock(&world.provider).down_until = world.now() + world.policy.span() * 2;
        }
        if let Some(access) = world.access(&account) {
            lock(&world.provider).reject(&access);
        }
        let mut calls = Vec::new();
        for _ in 0..3 + self.rng.below(6) {
            let caller = self.caller(self.anywhere(), &account);
            let after = self.rng.span(Duration::ZERO, secs(1) / 4);
            calls.push(spawn(caller, after, Then::Reports));
        }
        for _ in 0..12 {
            self.ask_after(&mut calls, self.anywhere(), &account, self.rng.span(Duration::ZERO, secs(2)));
        }
        if down {
            sleep(secs(1) / 2).await;
            let index = self.fleet.len() - 1;
            self.fleet.kill(index);
            self.fleet.raise(index).await;
            for _ in 0..4 {
                self.ask_after(&mut calls, index, &account, self.rng.span(Duration::ZERO, secs(2)));
            }
        }
        all(calls).await;
    }

    /// A resource that refuses every token, for hours.
    async fn refused_for_hours(&self) {
        let account = self.fresh(secs(3600)).await;
        for _ in 0..60 {
            let caller = self.caller(self.anywhere(), &account);
            if let Ok(token) = caller.token().await {
                drop(caller.replace(&token, CallerRequest::FalselyRejected).await);
            }
            sleep(secs(180)).await;
        }
    }

    /// A login or a delete of which nobody hears, or a broken subscription after it.
    async fn unheard(&self) {
        let world = &self.fleet.world;
        let account = self.fresh(secs(3600)).await;
        world.drop_notifications(true);
        let (change, gap) = (self.rng.span(secs(2), secs(30)), self.rng.chance(500));
        let mut calls = Vec::new();
        for index in 0..self.fleet.len() {
            let mut after = self.rng.span(Duration::ZERO, secs(2));
            while after < secs(75) {
                self.ask_after(&mut calls, index, &account, after);
                after += self.rng.span(secs(1) / 2, secs(3));
            }
        }
        sleep(change).await;
        let caller = self.caller(0, &account);
        if self.rng.chance(500) {
            caller.delete_only().await;
        } else {
            caller.login_for(CallerRequest::Login, false, secs(3600)).await;
        }
        if gap {
            sleep(secs(1)).await;
            world.log(Who::World, What::Nemesis("subscriptions broken", String::new()));
            world.cache.gap();
        }
        all(calls).await;
        world.drop_notifications(false);
        self.log_in(&account, secs(3600)).await;
    }

    /// Whoever logs in or deletes hangs up midway.
    async fn hung_up(&self) {
        for _ in 0..4 {
            let account = self.fresh(secs(3600)).await;
            let caller = self.caller(self.anywhere(), &account);
            let patience = self.rng.span(Duration::ZERO, self.fleet.world.setup.distance * 12);
            let deletes = self.rng.chance(500);
            let change = async {
                if deletes {
                    caller.delete_only().await;
                } else {
                    caller.login_for(CallerRequest::Login, false, secs(3600)).await;
                }
            };
            drop(tokio::time::timeout(patience, change).await);
            caller.leave();
            sleep(secs(5)).await;
        }
        for account in self.fleet.world.accounts.clone() {
            self.log_in(&account, secs(3600)).await;
        }
    }

    /// The provider is away when a token nears its end, and many ask.
    async fn provider_down(&self) {
        let world = &self.fleet.world;
        let account = self.fresh(secs(60)).await;
        lock(&world.provider).down_until = world.now() + secs(80);
        let mut calls = Vec::new();
        for _ in 0..1000 {
            let after = self.rng.span(secs(42), secs(59));
            self.ask_after(&mut calls, self.rng.below(2), &account, after);
        }
        // One who comes late finds what the others have.
        sleep(secs(50)).await;
        let index = self.fleet.len() - 1;
        self.fleet.kill(index);
        self.fleet.raise(index).await;
        for _ in 0..6 {
            self.ask_after(&mut calls, index, &account, self.rng.span(Duration::ZERO, secs(9)));
        }
        all(calls).await;
    }

    /// The provider does not know our client: for one account, or for any.
    async fn estranged(&self) {
        let world = &self.fleet.world;
        let accounts = &world.accounts;
        for account in accounts {
            self.log_in(account, secs(3600)).await;
        }
        let mut calls = Vec::new();
        if self.rng.chance(500) {
            lock(&world.provider).estranged = Some(accounts[0].clone());
        } else {
            lock(&world.provider).stranger_until = world.now() + secs(120);
        }
        for account in accounts.iter().chain(accounts) {
            for _ in 0..6 {
                let (caller, after) = (self.caller(0, account), self.rng.span(Duration::ZERO, secs(90)));
                calls.push(spawn(caller, after, Then::Blames));
            }
        }
        all(calls).await;
    }
}

/// The use that a caller makes of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// Reports it where its resource refuses it.
    Reports,
    /// Reports it although it works.
    Blames,
}

/// Asks after a while, and dies with its process.
fn spawn(caller: Caller, after: Duration, then: Then) -> JoinHandle<()> {
    let process = caller.process();
    let asks = async move {
        sleep(after).await;
        let Ok(token) = caller.token().await else { return };
        if then == Then::Blames {
            drop(caller.replace(&token, CallerRequest::FalselyRejected).await);
        } else if then == Then::Reports && !caller.bring(&token) {
            drop(caller.replace(&token, CallerRequest::Rejected).await);
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = process.death() => {}
            () = asks => {}
        }
    })
}

async fn all(calls: Calls) {
    for call in calls {
        call.await.expect("a caller does not panic");
    }
}
