//! The end of the faults: everything runs, callers ask gently, and every account has to come to rest.

use std::{sync::Arc, time::Duration};

use solekey::TokenError;
use solekey_core::{
    Account, ClaimId, Decision, Delay, InDoubt, Revocation, Row, Stale,
    ports::{Answers as _, Cache as _, Lease as _, LeaseReply},
};
use tokio::time::sleep;

use super::{
    callers::Caller,
    history::{CallerRequest, Settled, What, Who},
    network::at_once,
    replica::{Fleet, Replica},
    rng::Rng,
    setup::secs,
    world::{World, lock},
};

/// Lets the world heal, and everybody come to rest.
pub(crate) async fn heal(fleet: &Arc<Fleet>) {
    fleet.world.heal();
    for replica in fleet.all() {
        replica.process.resume();
    }
    fleet.world.cache.gap();
    for index in 0..fleet.len() {
        fleet.raise(index).await;
    }
    rest_all(fleet).await;
}

/// Waits until every account is at rest or its time is over.
pub(crate) async fn rest_all(fleet: &Arc<Fleet>) {
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
    let attempts = world.policy.span() + world.policy.exchange_timeout();
    sleep(attempts.max(world.policy.read_limit()) + secs(20)).await;
    // The first read may be answered from memory, and has it compared.
    for _ in 0..2 {
        for account in &world.accounts {
            read_tombstone(fleet, account).await;
        }
        sleep(secs(5)).await;
    }
    for account in &world.accounts {
        keep(world, account);
    }
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

/// Whoever meets a tombstone clears up behind it, also what was under way when it was met last.
async fn read_tombstone(fleet: &Arc<Fleet>, account: &Account) {
    let gone = fleet.world.peek(account).0.is_some_and(|record| record.row.is_gone());
    if let Some(replica) = fleet.members().first().filter(|_| gone) {
        drop(Caller::new(fleet, replica, account).token().await);
    }
}

/// Writes down what lies where.
fn keep(world: &World, account: &Account) {
    let Some(record) = world.peek(account).0 else { return };
    let Ok(shared_cache) = at_once(world.cache.read(account)) else { return };
    let answers = world.answers.all(account).iter().map(|answer| answer.note.attempt).collect();
    let kept = What::Kept {
        account: account.clone(),
        row: record.row.generation,
        gone: record.row.is_gone(),
        shared_cache: shared_cache.known,
        token: shared_cache.token.map(|token| token.generation),
        answers,
    };
    world.log(Who::World, kept);
}

async fn come_to_rest(fleet: Arc<Fleet>, account: Account, index: usize) {
    let world = &fleet.world;
    let began = world.now();
    let bound = bound(world);
    let mut turn = index;
    let mut last = String::new();
    let mut in_doubt = false;
    let mut by_operator = false;
    loop {
        let after = world.now().saturating_sub(began);
        let is_operator_request = after > bound;
        if after > bound * 2 {
            return rest(world, account, Settled::Stuck(last), after, bound);
        }
        // One replica reads all the time; the others now and then.
        turn += 1;
        let at = if turn.is_multiple_of(8) { turn / 8 } else { index };
        let members = fleet.members();
        if let Some(replica) = members.get(at % members.len().max(1)).cloned() {
            by_operator |= is_operator_request;
            match read(&fleet, &replica, &account, is_operator_request).await {
                Ok(settled) if by_operator => {
                    return rest(world, account, Settled::ByOperator(Box::new(settled)), after, bound);
                }
                Ok(settled) => return rest(world, account, settled, after, bound),
                Err(unrest) => Unrest { what: last, in_doubt } = unrest,
            }
        }
        sleep(pause(world, in_doubt)).await;
    }
}

/// The pause between two callers. In some worlds callers that met a doubt come back so late that their reads are no watch
/// over it: then processes have to recheck by themselves.
fn pause(world: &World, in_doubt: bool) -> Duration {
    let late = in_doubt && Rng::new(world.setup.seed, 4).chance(500);
    if late { world.policy.span() + secs(1) } else { POLL }
}

/// The reason why an account is not at rest.
struct Unrest {
    what: String,
    in_doubt: bool,
}

impl From<String> for Unrest {
    fn from(what: String) -> Self {
        Self { what, in_doubt: false }
    }
}

fn rest(world: &World, account: Account, settled: Settled, after: Duration, bound: Duration) {
    world.log(Who::World, What::AtRest { account, settled, after, bound });
}

/// The longest time that an account may take to come to rest: the lease, the attempt, the watch over it with its widest
/// gap, what may still be lost, and the ladders of those who failed before.
fn bound(world: &World) -> Duration {
    let policy = &world.policy;
    let life = world.setup.lifetime.max(solekey_core::ASSUMED_LIFETIME);
    policy.lease_ttl() + policy.span() * 4 + life + EVIDENCE + COOLDOWN
}

async fn read(
    fleet: &Arc<Fleet>,
    replica: &Replica,
    account: &Account,
    as_operator: bool,
) -> Result<Settled, Unrest> {
    let world = &fleet.world;
    let caller = Caller::new(fleet, replica, account);
    let answer = if as_operator { caller.refresh().await } else { caller.token().await };
    let (record, kept, _) = world.peek(account);
    let row = record.map(|record| record.row);
    match answer {
        Ok(token) => {
            let works = caller.bring(&token);
            if !works {
                if let Some(why) = row.as_ref().and_then(|row| served_for_ever(world, row)) {
                    return Ok(founded(world, why, kept.as_deref()));
                }
                drop(caller.replace(&token, CallerRequest::Rejected).await);
                return Err("its token does not work".to_owned().into());
            }
            match row {
                Some(row) if row.open.is_some() => Err(format!("an attempt is open: {:?}", row.open).into()),
                Some(row) if row.is_gone() => Err("deleted, and its token is handed out".to_owned().into()),
                _ => Ok(Settled::Fresh),
            }
        }
        Err(TokenError::UnknownAccount) => match row {
            Some(row) if !row.is_gone() => Err("unknown, says the process".to_owned().into()),
            _ => Ok(Settled::Gone),
        },
        Err(TokenError::LogIn { why }) => Ok(founded(world, why, kept.as_deref())),
        Err(error) => {
            if row.is_some_and(|row| unvouched(world, account, &row)) {
                return Ok(Settled::AnswersUnvouched);
            }
            let in_doubt = matches!(error, TokenError::RetryAt { why: Delay::InDoubt, .. });
            Err(Unrest { what: format!("{error:?}"), in_doubt })
        }
    }
}

/// Returns why the account needs a login where its last token is served all the same, because nobody knows when it ends.
fn served_for_ever(world: &World, row: &Row) -> Option<Revocation> {
    let stays = world.policy.stale() == Stale::Serve && row.facts?.expires_at.is_none();
    match row.current_verdict()?.decision {
        Decision::LogIn { why } if stays => Some(why),
        _ => None,
    }
}

/// Returns whether the location of answers lost what it had since the attempt, or has not the answer that made the row: the
/// doubt then lasts for as long as an answer could have been kept, which is a week. That should be so only where presenting
/// could do harm, and is so for all.
fn unvouched(world: &World, account: &Account, row: &Row) -> bool {
    let Some((open, found)) = row.open.zip(at_once(world.answers.newest(account)).ok()) else { return false };
    let newest = found.newest.map(|answer| answer.note.attempt);
    let lacks =
        newest < Some(row.generation) && row.facts.is_some_and(|facts| found.kept_since <= facts.made_at);
    found.kept_since > open.first.at || lacks
}

/// Returns whether the provider agrees that a login is needed.
fn founded(world: &World, why: Revocation, token: Option<&str>) -> Settled {
    let Some(token) = token else {
        return if world.setup.sealed {
            Settled::LogInExpected("what is sealed cannot be checked")
        } else {
            Settled::LogIn(why)
        };
    };
    if !lock(&world.provider).would(token, world.now()).is_pair() {
        return Settled::LogIn(why);
    }
    if world.policy.in_doubt() == InDoubt::AskLogin && why == Revocation::InDoubt {
        return Settled::LogInExpected("the policy asks for a login");
    }
    if why == Revocation::AnswerUnread {
        return Settled::LogInExpected("its last answer was not understood");
    }
    Settled::LogInUnfounded(why)
}

const POLL: Duration = Duration::from_millis(400);
/// The longest a rejection counts as the resource's fault.
const EVIDENCE: Duration = Duration::from_secs(3600);
/// The end of the ladder, jittered.
const COOLDOWN: Duration = Duration::from_secs(330);
