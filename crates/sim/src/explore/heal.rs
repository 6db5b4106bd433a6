//! Healed runs: from a state on, nothing goes wrong any more, every process runs, and callers keep coming.

use std::collections::HashMap;

use solekey_core::{Cause, Decision, Freshness, StoreTime, flight::LeaseView};

use super::{
    action::{Action, Asked},
    canon::{Found, GivenKeys},
    checks::{Log, nothing_left},
    scene::{SPAN, Scene},
    tick::secs,
    worker::{How, Worker},
    world::{Left, Reach, Server, World},
};

/// The end of a healed world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// A fresh token with a living refresh token behind it.
    Usable,
    /// Only a login helps.
    LogIn,
    /// The account is deleted, and nothing of it is left.
    Gone,
    /// For as long as answers are kept nobody can say what became of an attempt.
    InDoubt,
}

/// Ends already known, and in how many seconds they come, by world.
#[derive(Default)]
pub(crate) struct Healer {
    known: HashMap<u128, (End, u16), GivenKeys>,
    found: Found,
}

/// A healed world comes to its end within this many seconds.
const PATIENCE: u16 = 400;

/// Every process at work has ended what it began within this many seconds.
const ENDINGS: usize = 60;

/// The time that the cooldowns of earlier failures may add.
const LADDER: u16 = 8;

/// More steps within one second are a livelock.
const STEPS: usize = 400;

impl Healer {
    /// Heals a copy of `world` and says how it ends.
    pub(crate) fn heal(&mut self, scene: &Scene, world: &World, log: &mut Log) {
        let mut world = world.clone();
        world.heal(scene, log);
        if scene.left.loses_nothing() {
            world.check_nothing_is_left_open(scene, log);
        }
        let must_live = world.has_living_pair(scene.rule) && !world.is_overtaken();
        let patience = world.patience();
        let mut passed = Vec::new();
        let mut end = None;
        let healed = world.tick;
        // When it came to what it then stayed at.
        let mut reached = None;
        for _ in 0..PATIENCE {
            let key = world.key(scene, &mut self.found);
            end = self.known.get(&key).copied();
            if end.is_some() {
                break;
            }
            passed.push((key, world.tick));
            let before = world.clone();
            world.second(scene, log);
            if log.violation.is_some() {
                return;
            }
            let ended = world.end(scene);
            if ended.is_some() {
                reached.get_or_insert(world.tick);
            }
            end = ended.filter(|_| before.row == world.row && world.is_quiet()).map(|end| (end, 0));
            if end.is_some() {
                break;
            }
            world.apply(scene, Action::Tick, log);
            log.line(|| format!("{:>4} s  healed", world.tick));
        }
        let Some((end, rest)) = end else {
            return log.violated("stuck: neither a usable account nor LogIn is ever reached");
        };
        let reached = reached.unwrap_or(world.tick + rest);
        let known = passed.into_iter().map(|(key, tick)| (key, (end, reached.saturating_sub(tick))));
        self.known.extend(known);
        if patience.is_some_and(|patience| reached - healed > patience) {
            log.violated("a doubt outlasted all there was to lose");
        }
        if must_live && !matches!(end, End::Usable | End::InDoubt) {
            log.violated("a living pair was lost");
        }
        if world.family.is_none() && end != End::Gone {
            log.violated("a deleted account did not stay deleted");
        }
    }
}

impl World {
    /// Brings the servers back. Requests that dead processes left behind have their effect, and may use up a token
    /// whose answer nobody will ever read.
    fn heal(&mut self, scene: &Scene, log: &mut Log) {
        self.store = Server::Up;
        self.place = Server::Up;
        for worker in &mut self.workers {
            if worker.reach != Reach::Everything {
                worker.reach = Reach::Everything;
            }
        }
        self.left = Left::NONE;
        self.backup = None;
        if self.hung.is_some() {
            self.apply(scene, Action::RunHung, log);
        }
        while !self.orphans.is_empty() {
            self.apply(scene, Action::AnswerOrphan(0), log);
        }
    }

    /// Checks that no attempt is left to doubt: where every request was answered, each process ends what it began.
    fn check_nothing_is_left_open(&self, scene: &Scene, log: &mut Log) {
        let mut world = self.clone();
        for _ in 0..ENDINGS {
            let nobody_comes = vec![true; world.workers.len()];
            world.until_settled(scene, nobody_comes, log);
            if log.violation.is_some() || world.is_quiet() {
                break;
            }
            world.apply(scene, Action::Tick, log);
        }
        // One over a doubt stays open for the sake of the first, which another may have given up on.
        if world.is_quiet() && world.row.open.is_some_and(|open| open.is_first()) {
            log.violated("an attempt that nobody sent stays open");
        }
    }

    /// Everything that can be done within this second, in a fixed and fair order.
    fn second(&mut self, scene: &Scene, log: &mut Log) {
        let started = vec![false; self.workers.len()];
        self.until_settled(scene, started, log);
    }

    fn until_settled(&mut self, scene: &Scene, mut started: Vec<bool>, log: &mut Log) {
        for _ in 0..STEPS {
            let Some(action) = self.next(scene, &mut started) else { return };
            log.line(|| format!("      - {action:?}"));
            self.act(scene, action, log);
            if log.violation.is_some() {
                return;
            }
        }
        log.violated("stuck: a process never comes to rest");
    }

    fn next(&self, scene: &Scene, started: &mut [bool]) -> Option<Action> {
        // What has been read is written down before anybody begins something.
        let (late, others): (Vec<_>, Vec<_>) =
            self.workers.iter().enumerate().partition(|(_, worker)| worker.is_reading);
        for (w, worker) in late.into_iter().chain(others) {
            if worker.reply.is_some() {
                return Some(Action::Read(w));
            }
            if worker.request.is_some() {
                return Some(Action::Answer(w));
            }
            if worker.late.is_some_and(|late| !late.has_arrived) {
                return Some(Action::ReadLate(w));
            }
            match worker.pending.first() {
                Some(solekey_core::flight::Command::Exchange(_)) => return Some(Action::Send(w)),
                Some(solekey_core::flight::Command::TakeLease { .. }) => {
                    return Some(Action::Lease(w, LeaseView::Away));
                }
                Some(_) => return Some(Action::Perform(w, 0, How::Done)),
                None => {}
            }
            if self.may_wake(worker) {
                return Some(Action::Wake(w));
            }
            // Flights of late answers come behind the processes, and begin by themselves.
            let Some(started) = started.get_mut(w).filter(|started| !**started) else { continue };
            if worker.flight.is_none() && self.is_checked(scene, worker) {
                *started = true;
                return Some(Action::Start(w, Asked::Token));
            }
        }
        None
    }

    /// Returns whether a caller would come, or the refresher.
    fn is_checked(&self, scene: &Scene, worker: &Worker) -> bool {
        self.row.facts.is_none_or(|facts| scene.wants_refresh(&facts, self.store_now()))
            || self.is_withheld(worker)
    }

    /// Returns whether a pair came so late that somebody else presents, or will present, what it replaces.
    fn is_overtaken(&self) -> bool {
        let presents = |worker: &Worker| {
            worker.flight.is_some()
                && !worker.is_reading
                && worker.claim.is_some_and(|claimed| claimed.until.is_some())
        };
        self.came_late && self.workers.iter().any(|worker| presents(worker))
    }

    /// The longest this world may take to come to its end once it is healed, where there is a doubt to resolve: until
    /// nothing is left to lose, or the attempt and the watch over it are over.
    fn patience(&self) -> Option<u16> {
        let (open, facts) = (self.row.open?, self.row.facts?);
        let clock_kept_its_word = self.step == 0 && !self.went_back;
        if !clock_kept_its_word || open.first.at < self.kept_since {
            return None;
        }
        let rejected =
            open.cause == Cause::Rejected && self.workers.iter().any(|worker| self.is_withheld(worker));
        let nothing_left =
            if rejected { StoreTime::default() } else { nothing_left(&facts, Some(open))? + secs(1) };
        let wait = nothing_left.max(open.until).since(self.store_now());
        Some(u16::try_from(wait.as_secs()).unwrap_or(PATIENCE) + u16::from(SPAN) * 4 + LADDER)
    }

    fn is_quiet(&self) -> bool {
        self.workers.iter().all(|worker| worker.flight.is_none())
    }

    fn end(&self, scene: &Scene) -> Option<End> {
        let Some(facts) = self.row.facts else {
            let nothing_left = self.answers.iter().all(|written| written.note.attempt >= self.row.generation);
            return nothing_left.then_some(End::Gone);
        };
        if let Some(Decision::LogIn { .. }) = self.row.current_verdict().map(|verdict| verdict.decision) {
            return Some(End::LogIn);
        }
        if self.row.open.is_some_and(|open| open.first.at < self.kept_since) {
            return Some(End::InDoubt);
        }
        let token = self.row_token()?;
        let fresh = Scene::freshness(&facts, self.store_now()) == Freshness::Fresh;
        let ours = Some(self.provider.family(token)) == self.family;
        (fresh && ours && self.provider.lives(scene.rule, token)).then_some(End::Usable)
    }
}
