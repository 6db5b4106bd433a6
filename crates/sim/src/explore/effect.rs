//! The effects of actions.

use std::time::Duration;

use solekey_core::{
    AnswerNote, ClaimId, Content, Delay, Generation, Login, Need, Outcome, Revocation, Row,
    flight::{Command, Event, Flight, Knowledge, Subject},
};
use uuid::Uuid;

use super::{
    action::{Action, Asked},
    checks::Log,
    provider::{Reply, Token},
    scene::{Asks, Scene, token_of},
    tick::{moment, secs},
    worker::{Claimed, How, Late, Request, Worker},
    world::{Reach, Server, World},
};

impl World {
    /// Lets it happen, and time pass while nothing else can.
    pub(crate) fn apply(&mut self, scene: &Scene, action: Action, log: &mut Log) {
        self.act(scene, action, log);
        while log.violation.is_none() && self.is_dull(scene) {
            self.pass_second();
            self.forget_what_is_void();
        }
    }

    /// Lets it happen, and no time pass but by a tick.
    pub(crate) fn act(&mut self, scene: &Scene, action: Action, log: &mut Log) {
        self.perform_one(scene, action, log);
        self.forget_what_is_void();
    }

    fn perform_one(&mut self, scene: &Scene, action: Action, log: &mut Log) {
        match action {
            Action::Tick => self.pass_second(),
            Action::Start(w, asked) => self.ask(scene, w, asked, log),
            Action::Perform(w, index, how) => {
                self.pay_for(w, index, how);
                self.perform(scene, w, index, how, log);
            }
            Action::Read(w) => {
                let event = self.workers[w].reply.take().expect("a reply");
                self.feed(scene, w, event, log);
            }
            Action::Wake(w) => {
                let worker = &mut self.workers[w];
                worker.wake = None;
                worker.is_fresh = worker.claim.is_none();
                self.feed(scene, w, Event::Woken, log);
            }
            Action::Lease(w, view) => {
                self.workers[w].pending.remove(0);
                self.feed(scene, w, Event::Lease(view), log);
            }
            Action::Send(w) => self.send(w, log),
            Action::CannotSend(w) => {
                self.left.unsent -= 1;
                self.workers[w].pending.remove(0);
                self.feed(scene, w, Event::Exchanged(Outcome::NotSent), log);
            }
            Action::Answer(w) => {
                let request = self.workers[w].request.take().expect("a request");
                let outcome = self.process(scene, request, log);
                self.hear(scene, w, outcome, log);
            }
            Action::LoseAnswer(w) => {
                self.left.lost_answers -= 1;
                let request = self.workers[w].request.take().expect("a request");
                self.process(scene, request, log);
                self.feed(scene, w, Event::Exchanged(Outcome::Ambiguous), log);
            }
            Action::Garble(w) => {
                self.left.unread -= 1;
                let request = self.workers[w].request.take().expect("a request");
                let outcome = match self.process(scene, request, log) {
                    Outcome::Success(_) => Outcome::Unread,
                    refused => refused,
                };
                self.hear(scene, w, outcome, log);
            }
            Action::LoseRequest(w) => {
                self.left.lost_requests -= 1;
                self.workers[w].request = None;
                self.feed(scene, w, Event::Exchanged(Outcome::Ambiguous), log);
            }
            Action::HoldAnswer(w) => {
                self.left.late_answers -= 1;
                let request = self.workers[w].request.take().expect("a request");
                let outcome = self.process(scene, request, log);
                let worker = &mut self.workers[w];
                let until = request.sent + scene.policy.read_limit();
                worker.late =
                    Some(Late { reading: None, claim: worker.claim, outcome, until, has_arrived: false });
                self.feed(scene, w, Event::ExchangeTimeout, log);
            }
            Action::ReadLate(w) => self.read_late(scene, w, log),
            Action::Refuse(w) => {
                self.left.refusals -= 1;
                self.workers[w].request = None;
                let outcome = Outcome::Refused { retry_after: None, why: Delay::RateLimited };
                self.feed(scene, w, Event::Exchanged(outcome), log);
            }
            Action::AnswerOrphan(index) => {
                let request = self.orphans.remove(index);
                self.process(scene, request, log);
            }
            Action::LoseOrphan(index) => {
                self.orphans.remove(index);
            }
            Action::Crash(w) => {
                self.left.crashes -= 1;
                let dead = std::mem::take(&mut self.workers[w]);
                self.orphans.extend(dead.request);
                self.workers[w].is_reading = dead.is_reading;
                // The flight of its late answer was in the same process.
                let died = dead.late.filter(|late| late.has_arrived).map(|late| late.claim);
                self.workers.retain(|worker| !worker.is_reading || Some(worker.claim) != died);
            }
            Action::RunHung => {
                let claim = self.hung.take().expect("a claim");
                let (before, now) = (self.row.clone(), self.store_now());
                self.follow(now);
                let result = self.row.claim(&claim, now);
                self.tidy_row();
                self.check_claimed(&before, &claim, None, log);
                log.row(&self.row, result);
                self.note_until();
            }
            Action::Store(place) => {
                self.left.store_outages -= u8::from(place == Server::Down);
                self.store = place;
            }
            Action::Answers(place) => {
                self.left.answer_outages -= u8::from(place == Server::Down);
                self.place = place;
            }
            Action::LoseAnswers => {
                self.left.answers_lost -= 1;
                let lost = self.answers.iter().filter_map(|written| written.note.content.facts()?.refresh);
                self.forgotten = lost.map(token_of).collect();
                self.answers.clear();
                self.kept_since = self.store_now() + NEW_PLACE;
            }
            Action::Reach(w, reach) => {
                match reach {
                    Reach::Everything => {}
                    Reach::Answers => self.left.cut_offs -= 1,
                    Reach::Nothing => self.left.islands -= 1,
                }
                self.workers[w].reach = reach;
            }
            Action::LogIn => self.log_in(scene, log),
            Action::Amend => self.amend(scene, log),
            Action::Delete => self.delete(log),
            Action::Backup => self.backup = Some(self.row.clone()),
            Action::GoBack => {
                self.pass_second();
                self.left.went_back -= 1;
                self.went_back = true;
                self.row = self.backup.take().expect("a backup");
                log.row(&self.row, Ok(()));
            }
            Action::Forget => {
                self.left.forgets -= 1;
                self.row = Row::empty().into();
                log.row(&self.row, Ok(()));
            }
            Action::Step(by) => {
                if by > 0 {
                    self.left.steps_forward -= 1;
                } else {
                    self.left.steps_back -= 1;
                }
                self.step += by;
            }
        }
    }

    /// The flight of the late answer is one more worker of the same process.
    fn read_late(&mut self, scene: &Scene, w: usize, log: &mut Log) {
        let now = moment(self.tick);
        let worker = &mut self.workers[w];
        let late = worker.late.as_mut().expect("an answer");
        late.has_arrived = true;
        let Late { reading, claim, outcome, .. } = *late;
        let reading = reading.expect("a flight that was let go");
        let flight = Flight::of_reading(reading, worker.knowledge.clone(), 0, now);
        let (flight, reach) = (Some(flight), worker.reach);
        // After its attempt's `until` somebody else may have decided already.
        self.came_late |= claim.and_then(|claimed| claimed.until).is_none_or(|until| now >= until);
        self.workers.push(Worker { flight, claim, reach, is_reading: true, ..Worker::default() }.into());
        self.hear(scene, self.workers.len() - 1, outcome, log);
    }

    /// Readings whose time is over, and those whose flights have ended.
    fn end_readings(&mut self) {
        let now = moment(self.tick);
        self.workers.retain(|worker| !worker.is_reading || worker.flight.is_some());
        let read: Vec<_> = self.workers.iter().filter(|w| w.is_reading).map(|w| w.claim).collect();
        let is_over = |late: &Late| {
            if late.has_arrived { !read.contains(&late.claim) } else { late.until <= now }
        };
        for worker in &mut self.workers {
            if worker.late.as_ref().is_some_and(is_over) {
                worker.late = None;
            }
        }
    }

    fn pass_second(&mut self) {
        for worker in &self.workers {
            self.left.stalls -= u8::from(worker.is_busy());
            self.left.pauses -= u8::from(worker.is_paused());
        }
        self.tick += 1;
        let late = |worker: &Worker| {
            worker.reach == Reach::Nothing
                && worker.is_past_until(moment(self.tick))
                && self.is_at_stake(worker)
        };
        self.came_late |= self.workers.iter().any(|worker| late(worker));
        self.claims = 0;
    }

    /// Forgets the knowledge that a process can never use again: it only multiplies worlds.
    fn forget_what_is_void(&mut self) {
        self.end_readings();
        if self.may_go_back() {
            return;
        }
        let (now, generation, open) =
            (moment(self.tick), self.row.generation, self.row.open.map(|open| open.id));
        for worker in &mut self.workers {
            if worker.flight.is_some() || worker.knowledge == Knowledge::default() {
                continue;
            }
            let mut kept = worker.knowledge.clone();
            let Knowledge {
                known,
                rejected,
                unshared,
                rotated,
                watch,
                local,
                provider,
                evidence,
                attended,
                reading,
            } = &mut kept;
            if *known <= generation {
                *known = Generation::ZERO;
            }
            rejected.take_if(|rejected| *rejected < generation);
            unshared.take_if(|unshared| *unshared < generation);
            rotated.take_if(|(rotated, _)| *rotated < generation);
            // Flights begin at any moment here, planned or not.
            *attended = None;
            // It is taken from the answer on its way when a flight begins.
            *reading = None;
            // A watch interrupted for longer than its gap starts anew.
            watch.take_if(|watch| {
                now.since(watch.last) > secs(1) || open.map(Subject::Attempt) != Some(watch.subject)
            });
            local.take_if(|hold| hold.generation != generation);
            provider.take_if(|(until, _)| *until <= now);
            evidence.take_if(|(about, until)| *about != generation || *until <= now);
            if kept != worker.knowledge {
                worker.knowledge = kept;
            }
        }
    }

    fn ask(&mut self, scene: &Scene, w: usize, asked: Asked, log: &mut Log) {
        let generation = self.row.generation;
        let need = match asked {
            Asked::Token => match scene.asks {
                Asks::Overdue => Need::Valid,
                Asks::Ahead => Need::RefreshedAhead,
            },
            Asked::Rejected => {
                self.left.rejections -= 1;
                let access = self.row.facts.expect("a credential").access;
                Need::NotThis { generation, access }
            }
            Asked::Now => {
                self.left.operators -= 1;
                Need::Now { seen: Some(generation) }
            }
        };
        self.start(scene, w, need, log);
    }

    fn pay_for(&mut self, w: usize, index: usize, how: How) {
        let to_answers =
            matches!(self.workers[w].pending[index], Command::ReadAnswers | Command::WriteAnswer(_));
        let worker = &self.workers[w];
        let place = if to_answers { self.place_of(worker) } else { self.store_of(worker) };
        match how {
            How::Before if place == Server::Down => {}
            How::Before | How::After => self.left.failures -= 1,
            How::Hung => self.left.hangs -= 1,
            How::Done | How::Held => {}
        }
    }

    fn send(&mut self, w: usize, log: &mut Log) {
        let worker = &mut self.workers[w];
        let command = worker.pending.remove(0);
        let own =
            |claimed: &Claimed| matches!(command, Command::Exchange(sent) if sent.claim == claimed.claim.id);
        let Some(Claimed { claim, .. }) = worker.claim.filter(own) else {
            log.violated("a token was presented without a claim");
            return;
        };
        let request = Request {
            token: token_of(claim.presents),
            is_plain: claim.seen.is_none(),
            cause: claim.cause,
            sent: moment(self.tick),
        };
        self.check_sent(request, log);
        self.check_reading(w, log);
        self.workers[w].request = Some(request);
    }

    fn process(&mut self, scene: &Scene, request: Request, log: &mut Log) -> Outcome<Token> {
        let before = self.clone();
        let reply = self.provider.present(scene.rule, request.token, moment(self.tick));
        log.line(|| format!("        endpoint: token {} -> {reply:?}", request.token));
        Self::check_presented(&before, request, reply, log);
        match reply {
            Reply::Pair(token) => Outcome::Success(token),
            Reply::Refused => Outcome::Permanent(Revocation::Refused),
            Reply::Revoked => Outcome::Permanent(Revocation::Reused),
        }
    }

    fn hear(&mut self, scene: &Scene, w: usize, outcome: Outcome<Token>, log: &mut Log) {
        if let Outcome::Success(token) = outcome {
            self.workers[w].holds = Some(token);
            self.workers[w].wrote = false;
        }
        if matches!(outcome, Outcome::Permanent(_)) {
            self.workers[w].saw_pair = self.answers_held(scene.rule);
        }
        // Every exchange makes another access token, also where refresh tokens do not rotate.
        let access = 100 + u8::try_from(self.row.rotations).unwrap_or(0);
        let outcome = outcome.map(|token| scene.facts(access + token, token, secs(scene.life)));
        self.feed(scene, w, Event::Exchanged(outcome), log);
    }

    fn log_in(&mut self, scene: &Scene, log: &mut Log) {
        self.left.logins -= 1;
        self.logins += 1;
        let token = self.provider.log_in();
        self.family = Some(self.provider.family(token));
        let login = scene.login(self.logins, token, secs(scene.life));
        let now = self.store_now();
        self.follow(now);
        let result = self.row.login(&login, false, now).map(drop);
        self.tidy_row();
        log.row(&self.row, result);
        let content = Content::LoggedIn(login.facts);
        self.keep(self.witness(login.id, content));
    }

    /// Whatever has become of its refresh token, it is neither saved nor spent by this.
    fn amend(&mut self, scene: &Scene, log: &mut Log) {
        self.left.amendments -= 1;
        let Some(refresh) = self.row.facts.and_then(|facts| facts.refresh) else { return };
        let facts = scene.facts(AMENDED, token_of(refresh), secs(scene.life));
        let id = ClaimId::new(Uuid::from_u128(0xE000 + u128::from(self.left.amendments)));
        let amends = Some(self.row.made_by);
        let login = Login { id, facts, amends, ..scene.login(0, token_of(refresh), secs(scene.life)) };
        let now = self.store_now();
        let result = self.row.login(&login, false, now).map(drop);
        log.row(&self.row, result);
        if result.is_ok() {
            self.keep(self.witness(id, Content::LoggedIn(facts)));
        }
    }

    fn delete(&mut self, log: &mut Log) {
        self.left.deletes -= 1;
        let id = ClaimId::new(Uuid::from_u128(0xD000));
        self.family = None;
        let now = self.store_now();
        self.follow(now);
        self.row.delete(id, now);
        self.tidy_row();
        log.row(&self.row, Ok(()));
        self.keep(self.witness(id, Content::Deleted));
    }

    fn witness(&self, claim: ClaimId, content: Content) -> AnswerNote {
        AnswerNote {
            attempt: self.row.generation,
            claim,
            made_from: Generation::ZERO,
            content,
            access_ends: None,
        }
    }
}

/// The access token of an amendment.
const AMENDED: u8 = 250;
/// The margin of a new registration of the answers: it does not vouch for claims of that moment.
const NEW_PLACE: Duration = Duration::from_millis(500);
