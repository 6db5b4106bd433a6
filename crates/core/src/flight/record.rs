//! Writing down the provider's answer: as an answer and into the row, concurrently.

use super::{
    Context, Flight, Phase, Then,
    attempt::Attempt,
    command::{Command, Notice, Source},
    event::StoreReply,
    recording::{Leg, Recording},
};
use crate::NewFacts;

impl Flight {
    pub(super) fn record(&mut self, cx: &Context<'_>, attempt: Attempt, facts: NewFacts) -> Vec<Command> {
        let recording = Recording::new(attempt, facts);
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
        match reply {
            StoreReply::Done(_) => recording.commit = Leg::Done,
            StoreReply::Moved(view) => {
                if recording.moved(view.row.as_ref()) {
                    let command = recording.commit(cx, self.spread);
                    self.phase = Phase::Recording(Box::new(recording));
                    return vec![command];
                }
            }
            _ => recording.commit = Leg::Failed,
        }
        self.go_on_recording(cx, recording)
    }

    fn go_on_recording(&mut self, cx: &Context<'_>, mut recording: Recording) -> Vec<Command> {
        let mut commands = self.publish_own(&mut recording);
        if recording.may_be_served(cx) && recording.answers(self.need) {
            commands.extend(self.deliver(recording.attempt.delivery()));
        }
        match (recording.answer, recording.commit) {
            (Leg::Done | Leg::Failed, Leg::Done) => {
                self.end_recheck();
                let done = if self.delivered { self.end() } else { self.load(cx, Then::Decide) };
                commands.extend(done);
                return commands;
            }
            // History is never published. Its own write has to be over before the read of a tombstone erases it.
            (Leg::Done | Leg::Failed, Leg::Void) => {
                commands.extend(self.load(cx, Then::Decide));
                return commands;
            }
            (Leg::Asked, Leg::Done) => commands.extend(self.release_lease()),
            (Leg::Done | Leg::Failed, Leg::Failed) => {
                let until = recording.next_try(cx);
                commands.push(Command::Sleep { until, or_change: false });
            }
            (Leg::Asked | Leg::Void, _) | (_, Leg::Asked) => {}
        }
        self.phase = Phase::Recording(Box::new(recording));
        commands
    }

    /// Publishes the token once, as soon as a copy of the pair is acknowledged.
    fn publish_own(&mut self, recording: &mut Recording) -> Vec<Command> {
        if !recording.is_safe() || std::mem::replace(&mut recording.published, true) {
            return Vec::new();
        }
        let generation = recording.attempt.generation();
        self.knowledge.saw(generation);
        self.knowledge.local = None;
        self.knowledge.lose_sight();
        let token = Notice::Token { generation, source: Source::Own };
        recording.has_token().then_some(Command::Publish(token)).into_iter().collect()
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
