//! A process that drives a flight: what it was told to do and has not done yet.

use solekey_core::{
    AnswerNote, Cause, Claim, Commit, Moment, Need, Refusal, Row, Settle, StoreTime, Verdict,
    flight::{AnswersView, Command, Context, Event, Flight, Knowledge, LeaseView, RowView, StoreReply},
};

use super::{
    checks::Log,
    provider::{Rule, Token},
    scene::{Lease, SPAN, Scene, moment, secs, tick_of},
    world::{Place, Reach, World, Written},
};

/// One process; it has at most one flight.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Worker {
    /// What it remembers between flights.
    pub(crate) knowledge: Knowledge,
    pub(crate) flight: Option<Flight>,
    /// Commands not performed yet.
    pub(crate) pending: Vec<Command>,
    /// When they were handed out.
    pub(crate) issued: Moment,
    /// A reply that has arrived and was not looked at yet.
    pub(crate) reply: Option<Event>,
    /// From when on it may wake.
    pub(crate) wake: Option<Moment>,
    /// The attempt it claims or owns.
    pub(crate) claim: Option<Claimed>,
    pub(crate) request: Option<Request>,
    /// The pair it has read from the endpoint and is writing down.
    pub(crate) holds: Option<Token>,
    /// The answer that made this pair was written down.
    pub(crate) wrote: bool,
    /// A pair that lives lay in the answers, or had lain there, when it looked last, or when its token was refused.
    pub(crate) saw_pair: bool,
    /// The verdict that its last look at the row showed.
    pub(crate) saw_verdict: Option<Verdict<StoreTime>>,
    /// Nothing was done since a caller or a timer came.
    pub(crate) is_fresh: bool,
    pub(crate) reach: Reach,
}

/// The claim a flight made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    /// When it was first handed out.
    pub(crate) issued: Moment,
    /// When its `until` comes, once the store has executed it.
    pub(crate) until: Option<Moment>,
}

/// A request under way to the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Request {
    pub(crate) token: Token,
    /// Its claim saw no open attempt.
    pub(crate) is_plain: bool,
    pub(crate) cause: Cause,
    pub(crate) sent: Moment,
}

/// How an operation goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Done,
    /// Fails, and nothing was done.
    Before,
    /// Done, and the reply is lost.
    After,
    /// Done, and the reply is looked at later.
    Held,
    /// No reply; done later, or never.
    Hung,
}

impl Worker {
    /// Whether its own attempt's `until` has come.
    pub(crate) fn is_past_until(&self, now: Moment) -> bool {
        self.claim.and_then(|claimed| claimed.until).is_none_or(|until| now >= until)
    }

    /// Whether it has something to do right now.
    pub(crate) fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether it has yet to look at a reply.
    pub(crate) fn is_paused(&self) -> bool {
        self.reply.is_some()
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.holds.is_some()
    }

    fn begin(&mut self, command: Command, now: Moment) {
        self.pending.push(command);
        self.issued = now;
    }

    /// The flight is over: only what was learnt stays.
    fn land(&mut self) {
        if let Some(flight) = self.flight.take_if(|flight| flight.is_over()) {
            *self = Self { knowledge: flight.knowledge().clone(), reach: self.reach, ..Self::default() };
        } else if self.flight.as_ref().is_some_and(|flight| !flight.is_committed()) {
            self.holds = None;
        }
    }
}

impl World {
    pub(crate) fn start(&mut self, scene: &Scene, w: usize, need: Need, log: &mut Log) {
        let now = moment(self.tick);
        let worker = &mut self.workers[w];
        worker.is_fresh = true;
        worker.flight = Some(Flight::new(need, worker.knowledge.clone(), 0, now, secs(scene.patience)));
        self.with_flight(scene, w, log, Flight::start);
    }

    pub(crate) fn feed(&mut self, scene: &Scene, w: usize, event: Event, log: &mut Log) {
        log.event(w, &event);
        self.with_flight(scene, w, log, |flight, cx| flight.step(cx, event));
    }

    fn with_flight(
        &mut self,
        scene: &Scene,
        w: usize,
        log: &mut Log,
        step: impl FnOnce(&mut Flight, &Context<'_>) -> Vec<Command>,
    ) {
        let id = self.next_claim();
        let cx = Context { now: moment(self.tick), policy: &scene.policy, id, jitter: 500 };
        let worker = &mut self.workers[w];
        let commands = step(worker.flight.as_mut().expect("a flight"), &cx);
        log.commands(w, &commands);
        worker.issued = moment(self.tick);
        for command in commands {
            self.take_up(scene, w, command, log);
        }
        self.workers[w].land();
    }

    /// What needs no server that can fail is done at once.
    fn take_up(&mut self, scene: &Scene, w: usize, command: Command, log: &mut Log) {
        match command {
            Command::ReadShelf => self.feed(scene, w, Event::Shelf(None), log),
            Command::TakeLease { .. } if scene.lease == Lease::Lies => {
                self.workers[w].begin(command, moment(self.tick));
            }
            Command::TakeLease { .. } => self.feed(scene, w, Event::Lease(LeaseView::Away), log),
            Command::EraseAnswers(before) => {
                if self.place_of(&self.workers[w]) == Place::Up {
                    self.answers.retain(|written| written.note.attempt >= before);
                }
            }
            Command::Sleep { until, .. } => {
                let worker = &mut self.workers[w];
                // While a pair is at stake the machine's fast retries count; elsewhere a tick is the finest time.
                let soonest = if worker.is_recording() { self.tick } else { self.tick + 1 };
                let early = worker.is_recording() && until < moment(self.tick + 1);
                let tick = if early { self.tick } else { tick_of(until).max(soonest) };
                worker.wake = Some(moment(tick));
            }
            Command::Claim(claim) => {
                let worker = &mut self.workers[w];
                if worker.claim.is_none_or(|own| own.claim.id != claim.id) {
                    worker.claim = Some(Claimed { claim, issued: moment(self.tick), until: None });
                    self.claims += 1;
                }
                worker.begin(command, moment(self.tick));
            }
            // To start and to look a while later is the same as to start later, unless the process was stopped.
            Command::Load
                if self.workers[w].is_fresh
                    && self.store_of(&self.workers[w]) == Place::Up
                    && self.left.stalls == 0 =>
            {
                self.workers[w].saw_verdict = self.row.current_verdict();
                let view = self.view(w);
                self.feed(scene, w, Event::Loaded(StoreReply::Done(view)), log);
            }
            Command::Load
            | Command::ReadAnswers
            | Command::Exchange
            | Command::WriteAnswer(_)
            | Command::CommitOwn(_)
            | Command::CommitFound(_)
            | Command::Settle(_) => self.workers[w].begin(command, moment(self.tick)),
            Command::Register
            | Command::LeaveDoor
            | Command::Mark(_)
            | Command::Unmark(_)
            | Command::Publish(_)
            | Command::Deliver(_) => {}
        }
    }

    /// Performs the pending command at `index`.
    pub(crate) fn perform(&mut self, scene: &Scene, w: usize, index: usize, how: How, log: &mut Log) {
        let command = self.workers[w].pending.remove(index);
        self.workers[w].is_fresh = false;
        log.performs(w, &command, how);
        let event = match command {
            Command::Load => Event::Loaded(self.load(w, how)),
            Command::ReadAnswers => Event::Answers(self.read_answers(w, how, scene.rule)),
            Command::Claim(claim) => Event::Claimed(self.claim(w, claim, how, log)),
            Command::CommitOwn(commit) | Command::CommitFound(commit) => {
                Event::Committed(self.commit(w, commit, how, log))
            }
            Command::Settle(settle) => Event::Settled(self.settle(w, settle, how, log)),
            Command::WriteAnswer(note) => Event::AnswerWritten(self.write_answer(w, note, how)),
            other => unreachable!("{other:?} is not left pending"),
        };
        if how == How::Held {
            self.workers[w].reply = Some(event);
        } else {
            self.feed(scene, w, event, log);
        }
    }

    fn view(&self, w: usize) -> RowView {
        RowView { row: Some(Row::clone(&self.row)), now: self.store_now(), asked: self.workers[w].issued }
    }

    fn load(&mut self, w: usize, how: How) -> StoreReply {
        if how != How::Done {
            return StoreReply::NotApplied;
        }
        self.workers[w].saw_verdict = self.row.current_verdict();
        StoreReply::Done(self.view(w))
    }

    fn claim(&mut self, w: usize, claim: Claim, how: How, log: &mut Log) -> StoreReply {
        if how == How::Hung {
            self.hung = Some(claim);
            return StoreReply::Unknown;
        }
        let before = self.row.clone();
        let reply = self.change(w, how, log, |row, now| row.claim(&claim, now));
        self.check_claimed(&before, &claim, self.workers[w].saw_verdict, log);
        self.note_until();
        reply
    }

    /// Whoever owns the open attempt has until its `until`.
    pub(crate) fn note_until(&mut self) {
        let open = self.row.open.map(|open| open.id);
        for claimed in
            self.workers.iter_mut().filter(|w| w.claim.is_some()).filter_map(|worker| worker.claim.as_mut())
        {
            if Some(claimed.claim.id) == open && claimed.until.is_none() {
                claimed.until = Some(moment(self.tick) + secs(SPAN));
            }
        }
    }

    fn commit(&mut self, w: usize, commit: Commit, how: How, log: &mut Log) -> StoreReply {
        let before = self.row.clone();
        let reply = self.change(w, how, log, |row, now| row.commit(&commit, now));
        self.check_replaced(&before, log);
        reply
    }

    fn settle(&mut self, w: usize, settle: Settle, how: How, log: &mut Log) -> StoreReply {
        let before = self.row.current_verdict();
        let reply = self.change(w, how, log, |row, now| row.settle(&settle, now));
        if before != self.row.current_verdict() {
            self.check_verdict(w, log);
        }
        reply
    }

    fn change(
        &mut self,
        w: usize,
        how: How,
        log: &mut Log,
        change: impl FnOnce(&mut Row, StoreTime) -> Result<(), Refusal>,
    ) -> StoreReply {
        if how == How::Before {
            return StoreReply::NotApplied;
        }
        let now = self.store_now();
        let result = change(&mut self.row, now);
        // Nobody is woken by the store here.
        self.row.due_at = None;
        log.row(&self.row, result);
        match (how, result) {
            (How::After, _) => StoreReply::Unknown,
            (_, Ok(())) => StoreReply::Done(self.view(w)),
            (_, Err(Refusal::Late)) => StoreReply::Late,
            (_, Err(_)) => StoreReply::Moved(self.view(w)),
        }
    }

    fn read_answers(&mut self, w: usize, how: How, rule: Rule) -> AnswersView {
        if how != How::Done {
            return AnswersView::Unreadable;
        }
        self.workers[w].saw_pair = self.answers_held(rule);
        let now = self.store_now();
        let newest = self.answers.iter().max_by_key(|written| written.note.attempt).map(|written| {
            AnswerNote { content: written.note.content.aged(now.since(written.at)), ..written.note }
        });
        AnswersView::Read { newest, kept_since: self.kept_since }
    }

    fn write_answer(&mut self, w: usize, note: AnswerNote, how: How) -> bool {
        if how == How::Before {
            return false;
        }
        self.keep(note);
        self.workers[w].wrote |= how == How::Done;
        how == How::Done
    }

    /// Created once, never overwritten; the two newest stay.
    pub(crate) fn keep(&mut self, note: AnswerNote) {
        if self.answers.iter().any(|written| written.note.claim == note.claim) {
            return;
        }
        let at = self.store_now();
        self.answers.push(Written { note, at });
        self.answers.sort_by_key(|written| std::cmp::Reverse(written.note.attempt));
        self.answers.truncate(2);
    }
}
