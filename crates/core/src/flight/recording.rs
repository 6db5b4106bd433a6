//! Writing down what came back: as an answer and into the row, concurrently; either copy is enough.

use std::time::Duration;

use super::{
    Command, Context, Flight, Notice, Phase, Source, StoreReply, Then, claiming::Own, waiting::backoff,
};
use crate::{AnswerNote, Commit, Content, Need, NewFacts, mutant};

/// A success on its way into row and answers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Recording {
    pub(super) own: Own,
    /// As of the moment before the request was sent.
    facts: NewFacts,
    /// The open attempt last seen in the row.
    seen: Option<crate::ClaimId>,
    answer: Leg,
    commit: Leg,
    published: bool,
    tries: u8,
}

/// One of the two copies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Leg {
    /// Under way.
    Asked,
    /// To be tried again.
    Failed,
    /// Acknowledged.
    Done,
    /// Refused for good: the row went past this answer (a login, a delete).
    Void,
}

impl Flight {
    pub(super) fn record(&mut self, cx: &Context<'_>, own: Own, facts: NewFacts) -> Vec<Command> {
        let seen = Some(own.open.id);
        let recording = Recording {
            own,
            facts,
            seen,
            answer: Leg::Asked,
            commit: Leg::Asked,
            published: false,
            tries: 0,
        };
        let commands = vec![recording.write(cx), recording.commit(cx, self.spread)];
        self.phase = Phase::Recording(Box::new(recording));
        commands
    }

    pub(super) fn on_answer_written(
        &mut self,
        cx: &Context<'_>,
        mut recording: Recording,
        acknowledged: bool,
    ) -> Vec<Command> {
        recording.answer = if acknowledged { Leg::Done } else { Leg::Failed };
        self.go_on_recording(cx, recording)
    }

    pub(super) fn on_committed(
        &mut self,
        cx: &Context<'_>,
        mut recording: Recording,
        reply: StoreReply,
    ) -> Vec<Command> {
        let own = recording.own;
        match reply {
            StoreReply::Done(_) => recording.commit = Leg::Done,
            StoreReply::Moved(view) => {
                if view.row.as_ref().is_some_and(|row| row.generation >= own.open.attempt)
                    || mutant("moved_commit_given_up")
                {
                    recording.commit = Leg::Void;
                    return self.go_on_recording(cx, recording);
                }
                // Another attempt was committed first, or the store forgot ours: our answer is still the row's
                // future, beside whatever is open now.
                recording.seen = view.row.and_then(|row| row.open).map(|open| open.id);
                let command = recording.commit(cx, self.spread);
                self.phase = Phase::Recording(Box::new(recording));
                return vec![command];
            }
            _ => recording.commit = Leg::Failed,
        }
        self.go_on_recording(cx, recording)
    }

    fn go_on_recording(&mut self, cx: &Context<'_>, mut recording: Recording) -> Vec<Command> {
        let own = recording.own;
        let mut commands = Vec::new();
        if recording.is_safe() && !recording.published {
            recording.published = true;
            self.knowledge.saw(own.open.attempt);
            self.knowledge.local = None;
            self.knowledge.lose_sight();
            if recording.has_token() {
                commands.push(Command::Publish(Notice::Token(Source::Own)));
            }
        }
        if recording.may_be_served(cx) && recording.answers(self.need) {
            commands.extend(self.deliver(own.delivery()));
        }
        match (recording.answer, recording.commit) {
            (Leg::Done | Leg::Failed, Leg::Done) => {
                self.end_vigil();
                let done = if self.delivered { self.end() } else { self.load(cx, Then::Judge) };
                commands.extend(done);
                return commands;
            }
            // History is never published. Its own writing has to be over before a tombstone's look erases it.
            (Leg::Done | Leg::Failed, Leg::Void) => return self.load(cx, Then::Judge),
            (Leg::Asked, Leg::Done) => commands.extend(self.leave_door()),
            (Leg::Done | Leg::Failed, Leg::Failed) => {
                let cap = (cx.policy.span() / 4).min(RECORD_RETRY_CAP);
                let until = cx.now + backoff(recording.tries, RECORD_RETRY, cap, cx.jitter);
                recording.tries = (recording.tries + 1).min(super::waiting::MAX_STEPS);
                commands.push(Command::Sleep { until, or_news: false });
            }
            (Leg::Asked | Leg::Void, _) | (_, Leg::Asked) => {}
        }
        self.phase = Phase::Recording(Box::new(recording));
        commands
    }

    pub(super) fn record_again(&mut self, cx: &Context<'_>, mut recording: Recording) -> Vec<Command> {
        let mut commands = Vec::new();
        if recording.answer == Leg::Failed {
            recording.answer = Leg::Asked;
            commands.push(recording.write(cx));
        }
        if recording.commit == Leg::Failed {
            recording.commit = Leg::Asked;
            commands.push(recording.commit(cx, self.spread));
        }
        self.phase = Phase::Recording(Box::new(recording));
        commands
    }
}

impl Recording {
    /// Whether a copy of the pair is acknowledged somewhere.
    fn is_safe(&self) -> bool {
        self.answer == Leg::Done && self.commit == Leg::Failed
            || self.commit == Leg::Done
            || self.commit == Leg::Void && mutant("history_is_published")
            || self.commit == Leg::Failed && mutant("unacknowledged_is_published")
    }

    /// Without an access token in the answer the row keeps the old one, ended.
    fn has_token(&self) -> bool {
        let old = Some(self.facts.access) == self.own.held;
        !(old && self.facts.expires_in.is_some_and(|left| left.is_zero()))
    }

    /// A success is handed to whoever waits for it, whatever its expiry; but a rejected string never to its reporter.
    fn answers(&self, need: Need) -> bool {
        let reported = need.rejection().map(|(_, access)| access);
        self.has_token() && reported != Some(self.facts.access)
    }

    /// With both places unreachable the token is served from this process' memory, except where using it would
    /// spend the only way back.
    fn may_be_served(&self, cx: &Context<'_>) -> bool {
        let both_failed = self.answer == Leg::Failed && self.commit == Leg::Failed;
        self.is_safe()
            || (both_failed
                && (!cx.policy.replay().needs_acknowledged_copy() || mutant("last_way_back_is_served")))
    }

    fn note(&self, cx: &Context<'_>) -> AnswerNote {
        let sent_at = if mutant("lifetime_counts_from_the_answer") { cx.now } else { self.own.sent_at };
        let facts = self.facts.aged(cx.now.since(sent_at));
        AnswerNote {
            attempt: self.own.open.attempt,
            claim: self.own.open.id,
            made_from: self.own.from,
            content: Content::Rotated(facts),
            access_ends: facts.expires_in.map(|left| self.own.store_time(cx.now) + left),
        }
    }

    fn write(&self, cx: &Context<'_>) -> Command {
        Command::WriteAnswer(self.note(cx))
    }

    fn commit(&self, cx: &Context<'_>, spread: u64) -> Command {
        let note = self.note(cx);
        let due_in = note.content.facts().and_then(|facts| cx.due_in(&facts, spread));
        let as_of = Some(self.own.store_time(cx.now)).filter(|_| !mutant("lifetime_counts_from_the_commit"));
        Command::CommitOwn(Commit { note, seen: self.seen, evidence: self.own.evidence, due_in, as_of })
    }
}

const RECORD_RETRY: Duration = Duration::from_millis(50);
const RECORD_RETRY_CAP: Duration = Duration::from_secs(15);
