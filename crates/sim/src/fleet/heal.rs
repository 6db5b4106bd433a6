//! The end of the faults: everything runs, callers ask gently, and every account has to come to rest.

use std::{sync::Arc, time::Duration};

use solekey::TokenError;
use solekey_core::{
    Account, ClaimId, InDoubt, Open, Revocation,
    ports::{Answers as _, Lease as _, LeaseReply},
};
use tokio::time::sleep;

use super::{
    callers::Caller,
    history::{Ask, Settled, What, Who},
    network::at_once,
    replica::{Fleet, Replica},
    setup::secs,
    world::{World, lock},
};

/// Lets the world heal, and waits until every account is at rest or its time is over.
pub(crate) async fn heal(fleet: &Arc<Fleet>) {
    fleet.world.heal();
    for replica in fleet.all() {
        replica.process.resume();
    }
    fleet.world.cache.gap();
    for index in 0..fleet.len() {
        fleet.raise(index).await;
    }
    let polls: Vec<_> = (fleet.world.accounts.iter().cloned().enumerate())
        .map(|(index, account)| tokio::spawn(come_to_rest(Arc::clone(fleet), account, index)))
        .collect();
    for poll in polls {
        poll.await.expect("a poll does not panic");
    }
}

/// Every task, lease and attempt has to be gone soon after.
pub(crate) async fn end(fleet: &Arc<Fleet>) {
    let world = &fleet.world;
    // Background flights that were begun just now end by themselves; who gave a claim up settles it until its time is
    // over.
    sleep(world.policy.span() + world.policy.exchange_timeout() + secs(20)).await;
    for index in 0..fleet.len() {
        fleet.shut_down(index, secs(24)).await;
    }
    sleep(world.policy.lease_ttl()).await;
    for account in &world.accounts {
        let token = ClaimId::new(uuid::Uuid::new_v4());
        let reply = at_once(world.lease.acquire(account, token, secs(1), None));
        if !matches!(reply, Ok(LeaseReply::Granted { .. })) {
            world.log(Who::World, What::LeftOver(format!("a lease of {}: {reply:?}", account.id())));
        }
    }
}

async fn come_to_rest(fleet: Arc<Fleet>, account: Account, index: usize) {
    let world = &fleet.world;
    let began = world.now();
    let bound = bound(world);
    let mut turn = index;
    let mut last = String::new();
    let mut by_operator = false;
    loop {
        let after = world.now().saturating_sub(began);
        let asks_operator = after > bound;
        if after > bound * 2 {
            return rest(world, account, Settled::Stuck(last), after, bound);
        }
        // One replica looks all the time; the others now and then.
        turn += 1;
        let at = if turn.is_multiple_of(8) { turn / 8 } else { index };
        if let Some(replica) = fleet.get(at % fleet.len()) {
            by_operator |= asks_operator;
            match look(&fleet, &replica, &account, asks_operator).await {
                Ok(settled) if by_operator => {
                    return rest(world, account, Settled::ByOperator(Box::new(settled)), after, bound);
                }
                Ok(settled) => return rest(world, account, settled, after, bound),
                Err(why) => last = why,
            }
        }
        sleep(POLL).await;
    }
}

fn rest(world: &World, account: Account, settled: Settled, after: Duration, bound: Duration) {
    world.log(Who::World, What::AtRest { account, settled, after, bound });
}

/// How long an account may take at most to come to rest: the lease, the attempt, the watch over it with its widest
/// gap, what may still be lost, and the ladders of those who failed before.
fn bound(world: &World) -> Duration {
    let policy = &world.policy;
    let life = world.setup.lifetime.max(solekey_core::ASSUMED_LIFETIME);
    policy.lease_ttl() + policy.span() * 4 + life + EVIDENCE + COOLDOWN
}

async fn look(
    fleet: &Arc<Fleet>,
    replica: &Replica,
    account: &Account,
    as_operator: bool,
) -> Result<Settled, String> {
    let world = &fleet.world;
    let caller = Caller::new(fleet, replica, account);
    let told = if as_operator { caller.refresh().await } else { caller.token().await };
    let (record, token, _) = world.peek(account);
    let row = record.map(|record| record.row);
    match told {
        Ok(token) => {
            let works = caller.bring(&token);
            if !works {
                caller.replace(&token, Ask::Rejected).await;
                return Err("its token does not work".into());
            }
            match row {
                Some(row) if row.open.is_some() => Err(format!("an attempt is open: {:?}", row.open)),
                Some(row) if row.is_gone() => Err("deleted, and its token is handed out".into()),
                _ => Ok(Settled::Fresh),
            }
        }
        Err(TokenError::UnknownAccount) => match row {
            Some(row) if !row.is_gone() => Err("unknown, says the process".into()),
            _ => Ok(Settled::Gone),
        },
        Err(TokenError::LogIn { why }) => Ok(founded(world, why, token.as_deref())),
        Err(error) => match row.and_then(|row| row.open).filter(|open| unvouched(world, account, open)) {
            Some(_) => Ok(Settled::AnswersUnvouched),
            None => Err(format!("{error:?}")),
        },
    }
}

/// Whether the place of answers lost what it had since the attempt: the doubt then lasts for as long as an answer could
/// have been kept, which is a week. That should be so only where presenting could do harm, and is so for all.
fn unvouched(world: &World, account: &Account, open: &Open) -> bool {
    let since = at_once(world.answers.newest(account)).map(|found| found.kept_since);
    since.is_ok_and(|since| since > open.first.at)
}

/// Whether the provider agrees that a login is needed.
fn founded(world: &World, why: Revocation, token: Option<&str>) -> Settled {
    let Some(token) = token else {
        return if world.setup.sealed {
            Settled::LogInExcused("what is sealed cannot be judged")
        } else {
            Settled::LogIn(why)
        };
    };
    if !lock(&world.provider).would(token, world.now()).is_pair() {
        return Settled::LogIn(why);
    }
    if world.policy.in_doubt() == InDoubt::AskLogin && why == Revocation::InDoubt {
        return Settled::LogInExcused("the policy asks for a login");
    }
    Settled::LogInUnfounded(why)
}

const POLL: Duration = Duration::from_millis(400);
/// The longest a rejection counts as the resource's fault.
const EVIDENCE: Duration = Duration::from_secs(3600);
/// The end of the ladder, jittered.
const COOLDOWN: Duration = Duration::from_secs(330);
