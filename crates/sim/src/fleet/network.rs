//! One call over a network that loses, delays and repeats.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use solekey_core::ports::{StoreError, Trouble};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    history::{Fault, What},
    process::Process,
};

/// A server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line {
    Store,
    Answers,
    Cache,
    Lease,
}

impl Line {
    fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Answers => "answers",
            Self::Cache => "cache",
            Self::Lease => "lease",
        }
    }
}

/// The fate of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Fine,
    Refused,
    LostRequest,
    LostReply,
    Late(Duration),
    /// The connection broke at once; the request is carried out behind it.
    Behind(Duration),
    Twice(Duration),
}

/// An error that can say "not applied" and "unknown".
pub(crate) trait Broken: Send + 'static {
    fn not_applied() -> Self;
    fn unknown() -> Self;
}

impl Broken for Trouble {
    fn not_applied() -> Self {
        Self::not_applied("the simulation refused it")
    }

    fn unknown() -> Self {
        Self::unknown("the simulation lost it")
    }
}

impl Broken for StoreError {
    fn not_applied() -> Self {
        Self::not_applied("the simulation refused it")
    }

    fn unknown() -> Self {
        Self::unknown("the simulation lost it")
    }
}

/// The faults of a call other than being lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behaviour {
    /// It may be executed late or twice: it names itself, or carries an instant after which it is refused.
    Any,
    /// Executed late it would do what nobody promises to prevent.
    Prompt,
}

/// Carries a call to its server and back. The request travels by itself: whoever asked may be gone when it arrives.
pub(crate) async fn carry<T, E, W>(
    process: &Arc<Process>,
    line: Line,
    operation: &'static str,
    behaviour: Behaviour,
    work: W,
) -> Result<T, E>
where
    T: Send + 'static,
    E: Broken,
    W: Fn() -> Result<T, E> + Send + 'static,
{
    process.bucket().await;
    let world = &process.world;
    let deadline = world.deadline(line);
    if world.is_away(line, process.replica) {
        world.log(process.who(), What::Struck(Fault { line: line.name(), operation, kind: "away" }));
        let refuses = process.rng.chance(600);
        sleep(if refuses { Duration::from_millis(1) } else { deadline }).await;
        process.bucket().await;
        return Err(if refuses { E::not_applied() } else { E::unknown() });
    }
    let fate = draw(process, line, operation, behaviour, deadline);
    if fate == Fate::Refused {
        sleep(Duration::from_millis(1)).await;
        process.bucket().await;
        return Err(E::not_applied());
    }
    let (there, back) = (travel(process), travel(process));
    let reply = match fate {
        Fate::LostRequest => None,
        Fate::Fine | Fate::LostReply if there.is_zero() => Some(work()),
        _ => {
            let (report, answer) = oneshot::channel();
            let (sender, delay) = (Arc::clone(process), late(fate, there));
            tokio::spawn(async move {
                sleep(delay).await;
                if sender.world.is_away(line, sender.replica) {
                    let away = Fault { line: line.name(), operation, kind: "away" };
                    sender.world.log(sender.who(), What::Struck(away));
                    return;
                }
                let first = work();
                // Nobody may be listening any more.
                drop(report.send(first));
                if let Fate::Twice(after) = fate {
                    sleep(after).await;
                    drop(work());
                }
            });
            if matches!(fate, Fate::Behind(_)) {
                sleep(Duration::from_millis(1)).await;
                process.bucket().await;
                return Err(E::unknown());
            }
            timeout(deadline, answer).await.ok().and_then(Result::ok)
        }
    };
    let reply = reply.filter(|_| fate != Fate::LostReply);
    // Who hears nothing waits for as long as its adapter has patience.
    sleep(if reply.is_some() { back } else { deadline }).await;
    process.bucket().await;
    reply.unwrap_or_else(|| Err(E::unknown()))
}

fn late(fate: Fate, there: Duration) -> Duration {
    if let Fate::Late(by) | Fate::Behind(by) = fate { by } else { there }
}

#[expect(clippy::same_functions_in_if_condition, reason = "chance is drawn anew")]
fn draw(
    process: &Process,
    line: Line,
    operation: &'static str,
    behaviour: Behaviour,
    deadline: Duration,
) -> Fate {
    let (world, rng) = (&process.world, &process.rng);
    let faults = &world.setup.faults;
    if world.is_healed() {
        return Fate::Fine;
    }
    let (fate, kind) = if rng.chance(faults.refused) {
        (Fate::Refused, "refused")
    } else if rng.chance(faults.lost_request) {
        (Fate::LostRequest, "request lost")
    } else if rng.chance(faults.lost_reply) {
        (Fate::LostReply, "reply lost")
    } else if behaviour == Behaviour::Any && rng.chance(faults.late) {
        let by = deadline + rng.skewed(world.policy.span() * 2) + Duration::from_millis(1);
        (Fate::Late(by), "late")
    } else if behaviour == Behaviour::Any && rng.chance(faults.late) {
        (Fate::Behind(rng.skewed(deadline) + Duration::from_millis(1)), "behind a broken connection")
    } else if behaviour == Behaviour::Any && rng.chance(faults.twice) {
        (Fate::Twice(rng.skewed(world.policy.span() * 2)), "twice")
    } else {
        return Fate::Fine;
    };
    world.log(process.who(), What::Struck(Fault { line: line.name(), operation, kind }));
    fate
}

fn travel(process: &Process) -> Duration {
    let slow = process.world.setup.faults.slow;
    let rng = &process.rng;
    if process.world.is_calm() {
        return process.world.setup.distance;
    }
    if process.world.is_healed() || !rng.chance(300 + slow) {
        return Duration::ZERO;
    }
    if rng.chance(slow) { rng.skewed(Duration::from_millis(450)) } else { Duration::from_millis(1) }
}

/// Runs work in memory, which suspends only to be polite, in one go.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut cx) {
            return done;
        }
    }
}
