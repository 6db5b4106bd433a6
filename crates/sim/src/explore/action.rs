//! The actions that can happen next, and those that must not.

use solekey_core::{
    Fence,
    flight::{Command, LeaseView},
};

use super::{
    scene::{EXCHANGE, SPAN, Scene, token_of},
    tick::{moment, secs},
    worker::{How, Request, Worker},
    world::{Left, Reach, Server, World},
};

/// One atomic step of one actor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// A second passes.
    Tick,
    /// A caller comes to a process without a flight.
    Start(usize, Asked),
    /// A process performs a pending command.
    Perform(usize, usize, How),
    /// A process reads a reply.
    Read(usize),
    Wake(usize),
    /// A process hears from the lease.
    Lease(usize, LeaseView),
    /// A process sends its request.
    Send(usize),
    /// A process finds that nothing can be sent.
    CannotSend(usize),
    /// The endpoint processes a request, and its answer arrives.
    Answer(usize),
    /// The endpoint processes a request, and its answer is lost.
    LoseAnswer(usize),
    /// The endpoint processes a request, and nobody understands its answer.
    Garble(usize),
    LoseRequest(usize),
    /// The endpoint processes a request, and its answer is still on its way when the callers are let go.
    HoldAnswer(usize),
    /// An answer arrives whose callers were let go.
    ReadLate(usize),
    /// The endpoint refuses without processing.
    Refuse(usize),
    AnswerOrphan(usize),
    LoseOrphan(usize),
    Crash(usize),
    /// The claim that hung is executed.
    RunHung,
    Store(Server),
    Answers(Server),
    /// A process reaches less than it did, until the world heals; from an island it may come back before.
    Reach(usize, Reach),
    /// The place of answers loses everything.
    LoseAnswers,
    LogIn,
    /// The refresh token that the account holds comes in with another access token.
    Amend,
    Delete,
    /// The store's state is copied away.
    Backup,
    /// The store is set back to the copy, which takes a second.
    GoBack,
    /// The store forgets everything.
    Forget,
    /// The store's clock is stepped.
    Step(i8),
}

/// The request of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    Token,
    /// Another token than the row's.
    Rejected,
    /// A refresh of what the row holds, by a person.
    Now,
}

impl World {
    /// Everything that can happen next.
    pub(crate) fn actions(&self, scene: &Scene) -> Vec<Action> {
        let mut actions = Vec::with_capacity(16);
        for (w, worker) in self.workers.iter().enumerate() {
            // Of two that are alike it does not matter which one does something.
            if !self.workers[..w].contains(worker) {
                self.actions_of(scene, w, &mut actions);
            }
        }
        for index in 0..self.orphans.len() {
            actions.extend([Action::AnswerOrphan(index), Action::LoseOrphan(index)]);
        }
        if self.hung.is_some() {
            actions.push(Action::RunHung);
        }
        self.outside(&mut actions);
        if self.may_tick() {
            actions.push(Action::Tick);
        }
        actions
    }

    fn actions_of(&self, scene: &Scene, w: usize, actions: &mut Vec<Action>) {
        let worker = &self.workers[w];
        let Left { crashes, cut_offs, islands, .. } = self.left;
        if worker.flight.is_none() {
            self.starts(scene, w, actions);
        }
        if worker.late.is_some_and(|late| !late.has_arrived) {
            actions.push(Action::ReadLate(w));
        }
        if worker.reply.is_some() {
            actions.push(Action::Read(w));
        }
        if self.may_wake(worker) {
            actions.push(Action::Wake(w));
        }
        match worker.pending.first() {
            Some(Command::Exchange(_)) => {
                actions.push(Action::Send(w));
                if self.left.unsent > 0 {
                    actions.push(Action::CannotSend(w));
                }
            }
            Some(Command::TakeLease { .. }) => {
                let fence = Fence::new(self.store_now().as_micros());
                let views = [LeaseView::Granted(fence), LeaseView::Busy, LeaseView::Away];
                actions.extend(views.map(|view| Action::Lease(w, view)));
            }
            _ => self.performances(w, actions),
        }
        if worker.request.is_some() {
            self.replies(w, actions);
        }
        // Of nobody else it matters what it can write down.
        let owns = worker.request.is_some() && worker.reach == Reach::Everything;
        if owns && cut_offs > 0 {
            actions.push(Action::Reach(w, Reach::Answers));
        }
        if owns && islands > 0 {
            actions.push(Action::Reach(w, Reach::Nothing));
        }
        if worker.reach == Reach::Nothing {
            actions.push(Action::Reach(w, Reach::Everything));
        }
        if crashes > 0 && **worker != Worker::default() {
            actions.push(Action::Crash(w));
        }
    }

    fn starts(&self, scene: &Scene, w: usize, actions: &mut Vec<Action>) {
        if self.is_forgotten() && self.callers_come(scene) {
            actions.push(Action::Start(w, Asked::Token));
        }
        let Some(facts) = self.row.facts else { return };
        let wanted = scene.wants_refresh(&facts, self.store_now()) || self.is_withheld(&self.workers[w]);
        if self.callers_come(scene) && wanted {
            actions.push(Action::Start(w, Asked::Token));
        }
        if self.left.rejections > 0 {
            actions.push(Action::Start(w, Asked::Rejected));
        }
        if self.left.operators > 0 {
            actions.push(Action::Start(w, Asked::Now));
        }
    }

    /// Returns whether callers of this process get no token because it was rejected.
    pub(super) fn is_withheld(&self, worker: &Worker) -> bool {
        worker.knowledge.is_rejected(self.row.generation)
    }

    /// A pair at stake is written down again at once while it can be; everybody else sleeps until a later second.
    pub(super) fn may_wake(&self, worker: &Worker) -> bool {
        worker.wake.is_some_and(|wake| moment(self.tick) >= wake)
            && (moment(self.tick) > worker.issued || (self.is_at_stake(worker) && self.can_write(worker)))
    }

    fn performances(&self, w: usize, actions: &mut Vec<Action>) {
        let worker = &self.workers[w];
        for (index, command) in worker.pending.iter().enumerate() {
            let to_answers = matches!(command, Command::ReadAnswers | Command::WriteAnswer(_));
            let place = if to_answers { self.place_of(worker) } else { self.store_of(worker) };
            if place == Server::Down {
                actions.push(Action::Perform(w, index, How::Before));
                continue;
            }
            actions.push(Action::Perform(w, index, How::Done));
            if matches!(command, Command::Claim(_)) {
                if self.left.pauses > 0 {
                    actions.push(Action::Perform(w, index, How::Held));
                }
                if self.left.hangs > 0 {
                    actions.push(Action::Perform(w, index, How::Hung));
                }
            }
            if self.left.failures > 0 {
                actions.push(Action::Perform(w, index, How::Before));
                if !matches!(command, Command::Load | Command::ReadAnswers) {
                    actions.push(Action::Perform(w, index, How::After));
                }
            }
        }
    }

    fn replies(&self, w: usize, actions: &mut Vec<Action>) {
        let Left { lost_requests, lost_answers, late_answers, unread, refusals, .. } = self.left;
        actions.push(Action::Answer(w));
        for (left, action) in [
            (lost_requests, Action::LoseRequest(w)),
            (lost_answers, Action::LoseAnswer(w)),
            (late_answers, Action::HoldAnswer(w)),
            (unread, Action::Garble(w)),
            (refusals, Action::Refuse(w)),
        ] {
            if left > 0 {
                actions.push(action);
            }
        }
    }

    fn outside(&self, actions: &mut Vec<Action>) {
        let left = &self.left;
        match self.store {
            Server::Up if left.store_outages > 0 => actions.push(Action::Store(Server::Down)),
            Server::Down => actions.push(Action::Store(Server::Up)),
            Server::Up => {}
        }
        match self.place {
            Server::Up if left.answer_outages > 0 => actions.push(Action::Answers(Server::Down)),
            Server::Down => actions.push(Action::Answers(Server::Up)),
            Server::Up => {}
        }
        if left.answers_lost > 0 {
            actions.push(Action::LoseAnswers);
        }
        let both_up = self.store == Server::Up && self.place == Server::Up;
        if left.logins > 0 && both_up {
            actions.push(Action::LogIn);
        }
        if left.amendments > 0 && both_up && !self.row.is_gone() {
            actions.push(Action::Amend);
        }
        if left.deletes > 0 && both_up && !self.row.is_gone() {
            actions.push(Action::Delete);
        }
        if left.went_back > 0 && self.is_between_requests() {
            match &self.backup {
                None => actions.push(Action::Backup),
                Some(backup) if *backup != self.row && self.may_tick() => actions.push(Action::GoBack),
                Some(_) => {}
            }
        }
        if left.forgets > 0 && !self.is_forgotten() {
            actions.push(Action::Forget);
        }
        let step = i8::try_from(SPAN + 1).unwrap_or(0);
        if left.steps_forward > 0 {
            actions.push(Action::Step(step));
        }
        if left.steps_back > 0 {
            actions.push(Action::Step(-step));
        }
    }

    /// No attempt is open and no pair on its way: what the store forgets has a witness.
    fn is_between_requests(&self) -> bool {
        self.row.open.is_none()
            && self.requests().next().is_none()
            && self.workers.iter().all(|w| w.holds.is_none())
    }

    /// Returns whether the row may lose its content.
    pub(crate) fn may_go_back(&self) -> bool {
        self.left.went_back > 0 || self.went_back || self.left.forgets > 0
    }

    /// Returns whether time can only pass, apart from the deaths of processes that would make no difference.
    pub(super) fn is_dull(&self, scene: &Scene) -> bool {
        let nobody_flies = self.workers.iter().all(|worker| worker.flight.is_none());
        if !nobody_flies || !self.is_ageing(scene) {
            return false;
        }
        let mut actions = self.actions(scene);
        actions.retain(|action| !matches!(action, Action::Crash(_)));
        actions == [Action::Tick]
    }

    /// Returns whether callers will come again by themselves.
    fn is_ageing(&self, scene: &Scene) -> bool {
        self.row.facts.is_some() && self.callers_come(scene)
    }

    fn callers_come(&self, scene: &Scene) -> bool {
        self.row.rotations < scene.rotations.into()
    }

    /// The assumptions of promise 1 bound what a second may leave undone.
    fn may_tick(&self) -> bool {
        let in_time = |request: &Request| moment(self.tick) < request.sent + secs(EXCHANGE);
        let count = |is: fn(&Worker) -> bool| self.workers.iter().filter(|worker| is(worker)).count();
        count(Worker::is_busy) <= self.left.stalls.into()
            && count(Worker::is_paused) <= self.left.pauses.into()
            && self.requests().all(in_time)
            && self.workers.iter().all(|worker| self.may_wait(worker))
    }

    fn may_wait(&self, worker: &Worker) -> bool {
        if matches!(worker.pending.first(), Some(Command::Exchange(_))) {
            // Nobody is stopped between the last check and the write for longer than the attempt leaves.
            let issued = worker.claim.map_or(moment(0), |claimed| claimed.issued);
            return moment(self.tick + 1) + secs(EXCHANGE) < issued + secs(SPAN);
        }
        // Nor between the last byte of an answer and its writing, where it can be written.
        let ends = worker.is_past_until(moment(self.tick + 1));
        !(ends && self.is_at_stake(worker) && self.can_write(worker))
    }

    /// Returns whether this process holds the only copy of a pair.
    pub(super) fn is_at_stake(&self, worker: &Worker) -> bool {
        worker.holds.is_some_and(|token| {
            let written = self.answers.iter().filter_map(|written| written.note.content.facts()?.refresh);
            self.row_token() != Some(token) && !written.map(token_of).any(|other| other == token)
        })
    }

    /// Returns whether it could write its pair down now; an answer is not written again once that was acknowledged.
    fn can_write(&self, worker: &Worker) -> bool {
        self.store_of(worker) == Server::Up || (self.place_of(worker) == Server::Up && !worker.wrote)
    }
}
