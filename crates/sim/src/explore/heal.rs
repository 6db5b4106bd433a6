//! What becomes of a world in which nothing goes wrong any more, every process runs, and callers keep coming.

use std::collections::HashMap;

use solekey_core::{Freshness, Ruling};

use super::{
    action::{Action, Asked},
    canon::GivenKeys,
    checks::Log,
    scene::Scene,
    worker::How,
    world::{Left, Place, World},
};

/// How a healed world ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// A fresh token with a living refresh token behind it.
    Usable,
    /// Only a login helps.
    LogIn,
    /// The account is deleted, and nothing of it is left.
    Gone,
}

/// Ends already known, by world.
#[derive(Default)]
pub(crate) struct Healer {
    known: HashMap<u128, End, GivenKeys>,
}

/// A healed world comes to its end within this many seconds.
const PATIENCE: u16 = 400;

/// More steps within one second are a livelock.
const STEPS: usize = 400;

impl Healer {
    /// Heals a copy of `world` and says how it ends.
    pub(crate) fn heal(&mut self, scene: &Scene, world: &World, log: &mut Log) {
        let mut world = world.clone();
        world.heal(scene, log);
        let must_live = world.has_living_pair(scene.rule);
        let mut passed = Vec::new();
        let mut end = None;
        for _ in 0..PATIENCE {
            let key = world.key(scene);
            end = self.known.get(&key).copied();
            if end.is_some() {
                break;
            }
            passed.push(key);
            let before = world.clone();
            world.second(scene, log);
            if log.violation.is_some() {
                return;
            }
            end = world.end(scene).filter(|_| before.row == world.row && world.is_quiet());
            if end.is_some() {
                break;
            }
            world.apply(scene, Action::Tick, log);
            log.line(|| format!("{:>4} s  healed", world.tick));
        }
        let Some(end) = end else {
            return log.violated("stuck: neither a usable account nor LogIn is ever reached");
        };
        self.known.extend(passed.into_iter().map(|key| (key, end)));
        if must_live && end != End::Usable {
            log.violated("a living pair was lost");
        }
        if world.family.is_none() && end != End::Gone {
            log.violated("a deleted account did not stay deleted");
        }
    }
}

impl World {
    /// Servers are back; what the dead left behind has its effect, and may spend what nobody will ever read.
    fn heal(&mut self, scene: &Scene, log: &mut Log) {
        self.store = Place::Up;
        self.place = Place::Up;
        self.left = Left::NONE;
        self.backup = None;
        if self.hung.is_some() {
            self.apply(scene, Action::RunHung, log);
        }
        while !self.orphans.is_empty() {
            self.apply(scene, Action::AnswerOrphan(0), log);
        }
    }

    /// Everything that can be done within this second, in a fixed and fair order.
    fn second(&mut self, scene: &Scene, log: &mut Log) {
        let mut started = vec![false; self.workers.len()];
        for _ in 0..STEPS {
            let Some(action) = self.next(scene, &mut started) else { return };
            log.line(|| format!("      - {action:?}"));
            self.apply(scene, action, log);
            if log.violation.is_some() {
                return;
            }
        }
        log.violated("stuck: a process never comes to rest");
    }

    fn next(&self, scene: &Scene, started: &mut [bool]) -> Option<Action> {
        for (w, started) in started.iter_mut().enumerate() {
            let worker = &self.workers[w];
            if worker.reply.is_some() {
                return Some(Action::Look(w));
            }
            if worker.request.is_some() {
                return Some(Action::Answer(w));
            }
            match worker.pending.first() {
                Some(solekey_core::flight::Command::Exchange) => return Some(Action::Send(w)),
                Some(_) => return Some(Action::Perform(w, 0, How::Done)),
                None => {}
            }
            if self.may_wake(worker) {
                return Some(Action::Wake(w));
            }
            if worker.flight.is_none() && !*started && self.is_looked_at(scene) {
                *started = true;
                return Some(Action::Start(w, Asked::Token));
            }
        }
        None
    }

    /// Whether a caller would come, or the refresher.
    fn is_looked_at(&self, scene: &Scene) -> bool {
        self.row.facts.is_none_or(|facts| scene.wants_refresh(&facts, self.store_now()))
    }

    fn is_quiet(&self) -> bool {
        self.workers.iter().all(|worker| worker.flight.is_none())
    }

    fn end(&self, scene: &Scene) -> Option<End> {
        let Some(facts) = self.row.facts else {
            let nothing_left = self.answers.iter().all(|written| written.note.attempt >= self.row.generation);
            return nothing_left.then_some(End::Gone);
        };
        if let Some(Ruling::LogIn { .. }) = self.row.current_verdict().map(|verdict| verdict.ruling) {
            return Some(End::LogIn);
        }
        let token = self.row_token()?;
        let fresh = Scene::freshness(&facts, self.store_now()) == Freshness::Fresh;
        let ours = Some(self.provider.family(token)) == self.family;
        (fresh && ours && self.provider.lives(scene.rule, token)).then_some(End::Usable)
    }
}
