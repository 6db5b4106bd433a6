//! A process that drives a flight, with the commands that it has not performed yet.

use solekey_core::{
    AnswerNote, Cause, Claim, Commit, Moment, Need, Outcome, Refusal, Row, Settle, StoreTime, UnreadNote,
    Verdict,
    flight::{
        AnswersView, Command, Commands, Context, Event, Flight, Knowledge, LeaseView, Mode, Reading, RowView,
        StoreReply,
    },
};

use super::{
    checks::Log,
    provider::{Rule, Token},
    scene::{Lease, SPAN, Scene},
    tick::{moment, secs, tick_of},
    world::{Reach, Server, World, Written},
};

/// One process; it has at most one flight.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is about another read or write")]
pub(crate) struct Worker {
    /// The knowledge that it keeps between flights.
    pub(crate) knowledge: Knowledge,
    pub(crate) flight: Option<Flight>,
    /// Commands not performed yet.
    pub(crate) pending: Vec<Command>,
    /// The time at which they were handed out.
    pub(crate) issued: Moment,
    /// A reply that has arrived and was not read yet.
    pub(crate) reply: Option<Event>,
    /// From when on it may wake.
    pub(crate) wake: Option<Moment>,
    /// The attempt it claims or owns.
    pub(crate) claim: Option<Claimed>,
    pub(crate) request: Option<Request>,
    /// An answer on its way whose callers were let go.
    pub(crate) late: Option<Late>,
    /// It is the flight of such an answer, in the process of another worker, and ends with it.
    pub(crate) is_reading: bool,
    /// The pair it has read from the endpoint and is writing down.
    pub(crate) holds: Option<Token>,
    /// The answer that made this pair was written down.
    pub(crate) wrote: bool,
    /// True if a pair that lives was in the answers, or had been there, at its last read or when its token was refused.
    pub(crate) saw_pair: bool,
    /// An answer that nobody has understood was in the answers at its last read, newer than the row.
    pub(crate) saw_unread: bool,
    /// The verdict in the row at its last read.
    pub(crate) saw_verdict: Option<Verdict<StoreTime>>,
    /// Nothing was done since a caller or a timer came.
    pub(crate) is_fresh: bool,
    pub(crate) reach: Reach,
}

/// The claim a flight made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    /// The time at which it was first handed out.
    pub(crate) issued: Moment,
    /// The time of its `until`, once the store has executed it.
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

/// An answer on its way whose callers were let go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Late {
    /// The reading, once the flight has named it.
    pub(crate) reading: Option<Reading>,
    pub(crate) claim: Option<Claimed>,
    pub(crate) outcome: Outcome<Token>,
    /// The time from which on it is not read any more.
    pub(crate) until: Moment,
    /// It has arrived, and its flight is under way.
    pub(crate) has_arrived: bool,
}

/// The course of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Done,
    /// Fails, and nothing was done.
    Before,
    /// Done, and the reply is lost.
    After,
    /// Done, and the reply is read later.
    Held,
    /// No reply; done later, or never.
    Hung,
}

impl Worker {
    /// Returns whether its own attempt's `until` has come.
    pub(crate) fn is_past_until(&self, now: Moment) -> bool {
        self.claim.and_then(|claimed| claimed.until).is_none_or(|until| now >= until)
    }

    /// Returns whether it has something to do right now.
    pub(crate) fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Returns whether it has yet to read a reply.
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
            let knowledge = flight.knowledge().clone();
            let Self { reach, late, is_reading, .. } = *self;
            *self = Self { knowledge, late, is_reading, reach, ..Self::default() };
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
        worker.knowledge.reading = worker.late.map(|late| late.until.max(now + secs(1)));
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
        step: impl FnOnce(&mut Flight, &Context<'_>) -> Commands,
    ) {
        let id = self.next_claim();
        let cx = Context { now: moment(self.tick), policy: &scene.policy, id, jitter: 500 };
        let worker = &mut self.workers[w];
        let commands = step(worker.flight.as_mut().expect("a flight"), &cx);
        log.commands(w, &commands);
        if !commands.keep_order(&worker.pending) {
            log.violated("commands are not in the order that a driver keeps");
        }
        worker.issued = moment(self.tick);
        for command in commands {
            self.take_up(scene, w, command, log);
        }
        self.workers[w].land();
    }

    /// Takes up a command; what needs no server that can fail is done at once.
    fn take_up(&mut self, scene: &Scene, w: usize, command: Command, log: &mut Log) {
        match command {
            Command::ReadSharedCache => self.feed(scene, w, Event::SharedCache(None), log),
            Command::TakeLease { .. } if scene.lease == Lease::Lies => {
                self.workers[w].begin(command, moment(self.tick));
            }
            Command::TakeLease { .. } => self.feed(scene, w, Event::Lease(LeaseView::Away), log),
            Command::ReadOn(reading) => {
                if let Some(late) = &mut self.workers[w].late {
                    late.reading = Some(reading);
                }
            }
            Command::EraseAnswers(before) => {
                if self.place_of(&self.workers[w]) == Server::Up {
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
            // To start and to read a while later is the same as to start later, unless the process was stopped.
            Command::Load
                if self.workers[w].is_fresh
                    && self.store_of(&self.workers[w]) == Server::Up
                    && self.left.stalls == 0 =>
            {
                self.workers[w].saw_verdict = self.row.current_verdict();
                let view = self.view(w);
                self.feed(scene, w, Event::Loaded(StoreReply::Done(view)), log);
            }
            Command::Load
            | Command::ReadAnswers
            | Command::Exchange(_)
            | Command::WriteAnswer(_)
            | Command::CommitOwn(_)
            | Command::CommitFound(_)
            | Command::Settle(_) => {
                if let Command::CommitOwn(commit) | Command::CommitFound(commit) = &command {
                    self.claims += u8::from(commit.forgotten.is_some());
                }
                self.workers[w].begin(command, moment(self.tick));
            }
            at_once => debug_assert_eq!(at_once.mode(), Mode::AtOnce, "it waits for a result"),
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

    fn view(&mut self, w: usize) -> RowView {
        let now = self.store_now();
        self.follow(now);
        let row = (!self.is_forgotten()).then(|| Row::clone(&self.row));
        RowView { row, now: self.store_now(), asked: self.workers[w].issued }
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
        self.check_unread(&before, &claim, self.workers[w].saw_unread, log);
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
        self.follow(now);
        let result = change(&mut self.row, now);
        self.tidy_row();
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
        let newest_of = |usable: bool| {
            let kind = self.answers.iter().filter(|written| written.note.content.is_usable() == usable);
            kind.max_by_key(|written| written.note.attempt).map(|written| AnswerNote {
                content: written.note.content.aged(now.since(written.at)),
                ..written.note
            })
        };
        let (newest, unread) = (newest_of(true), newest_of(false));
        let unread = unread.map(|note| UnreadNote::of(&note));
        let unread = unread.filter(|unread| newest.is_none_or(|newest| newest.attempt < unread.attempt));
        self.workers[w].saw_unread = unread.is_some_and(|unread| unread.attempt > self.row.generation);
        AnswersView::Read { newest, unread, kept_since: self.kept_since }
    }

    fn write_answer(&mut self, w: usize, note: AnswerNote, how: How) -> bool {
        if how == How::Before {
            return false;
        }
        self.keep(note);
        self.workers[w].wrote |= how == How::Done;
        how == How::Done
    }

    /// Created once, never overwritten; the two newest of each kind stay.
    pub(crate) fn keep(&mut self, note: AnswerNote) {
        if self.answers.iter().any(|written| written.note.claim == note.claim) {
            return;
        }
        let at = self.store_now();
        self.answers.push(Written { note, at });
        self.answers.sort_by_key(|written| std::cmp::Reverse(written.note.attempt));
        let mut kept = [0; 2];
        self.answers.retain(|written| {
            let count = &mut kept[usize::from(written.note.content.is_usable())];
            *count += 1;
            *count <= 2
        });
    }
}
