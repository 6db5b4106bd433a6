//! What to do about a row and its newest answer.

use std::time::Duration;

use super::{
    AnswersView, Command, Context, Delivery, Flight, Notice, Phase, RowView, Source, StoreReply, Then,
    knowledge::Subject, resolve::Resolution,
};
use crate::{
    AnswerNote, Commit, Delay, Facts, Generation, KEEP_ANSWERS, Moment, Need, Revocation, Row, Ruling,
    SETTLED_FOR, StoreTime, Verdict, Window, mutant,
};

impl Flight {
    pub(super) fn on_loaded(
        &mut self,
        cx: &Context<'_>,
        asked: Moment,
        then: Then,
        reply: StoreReply,
    ) -> Vec<Command> {
        match (reply, then) {
            #[cfg(solekey_mutant)]
            (StoreReply::Done(view), Then::Judge) if self.early_answers(&view).is_some() => {
                let answers = self.early_answers(&view).unwrap_or(AnswersView::Unreadable);
                self.judge(cx, &RowView { asked, ..view }, answers)
            }
            (StoreReply::Done(view), then) => {
                self.hiccups = 0;
                self.phase = Phase::Answers { row: Box::new(RowView { asked, ..view }), then };
                vec![Command::ReadAnswers]
            }
            (reply, Then::Judge) => self.store_away(cx, &reply),
            (_, Then::Convict(own, _)) => self.leave_in_doubt(cx, &own),
        }
    }

    pub(super) fn on_answers(
        &mut self,
        cx: &Context<'_>,
        view: RowView,
        then: Then,
        answers: AnswersView,
    ) -> Vec<Command> {
        match then {
            Then::Judge => self.judge(cx, &view, answers),
            Then::Convict(own, why) => self.convict(cx, &view, answers, own, why),
        }
    }

    #[cfg(solekey_mutant)]
    fn remember_answers(&mut self, open: &crate::Open, answers: AnswersView) {
        self.early = mutant("answers_before_until").then_some((open.id, answers));
    }

    #[cfg(solekey_mutant)]
    fn early_answers(&self, view: &RowView) -> Option<AnswersView> {
        let open = view.row.as_ref()?.open.filter(|open| !open.in_flight(view.now))?;
        self.early.filter(|(id, _)| *id == open.id).map(|(_, answers)| answers)
    }

    pub(super) fn judge(&mut self, cx: &Context<'_>, view: &RowView, answers: AnswersView) -> Vec<Command> {
        let held = view.row.as_ref().and_then(|row| Some((row.generation, row.facts?.access)));
        let marked = held.and_then(|(generation, access)| self.recognise(cx, generation, access));
        marked.into_iter().chain(self.decide(cx, view, answers)).collect()
    }

    /// The order matters: an answer newer than the row is its future and comes before everything, a token good
    /// enough before any verdict, a verdict before any attempt.
    fn decide(&mut self, cx: &Context<'_>, view: &RowView, answers: AnswersView) -> Vec<Command> {
        let unborn = Row::unborn();
        let row = view.row.as_ref().unwrap_or(&unborn);
        if let AnswersView::Read { newest: Some(note), .. } = answers
            && note.attempt > row.generation
            && !mutant("answers_are_skipped")
        {
            return self.commit_found(cx, note, row, view.now);
        }
        let Some(facts) = row.facts else { return self.gone(cx, view.row.as_ref(), answers) };
        self.knowledge.learn_evidence(row, view.now, view.asked);
        if self.knowledge.known > row.generation && !mutant("store_that_went_back_is_believed") {
            // What was ruled since then holds: a refused token is not presented again and again.
            let forbidden = self.forbidden(cx, view, row);
            return forbidden.unwrap_or_else(|| self.resolve_went_back(cx, view, row, &facts, answers));
        }
        self.knowledge.saw(row.generation);
        self.knowledge.believe_claim(row, view.now);
        let excused = self.excuse(cx, row);
        if self.row_is_good(cx, row, &facts, view.now) {
            return excused.into_iter().chain(self.adopt(row)).collect();
        }
        match row.open {
            Some(_) => self.begin_vigil(cx.now),
            None => self.end_vigil(),
        }
        if let Some(commands) = self.held_up(cx, view, row, &facts) {
            return commands;
        }
        match row.open {
            Some(open) if open.in_flight(view.now) => {
                #[cfg(solekey_mutant)]
                self.remember_answers(&open, answers);
                self.knowledge.observe(Subject::Attempt(open.id), cx.now, cx.policy.span());
                if matches!(answers, AnswersView::Unreadable) {
                    self.knowledge.lose_sight();
                }
                self.leave_with(cx, not_before(row.generation, view.moment_of(open.until), Delay::InFlight))
            }
            Some(open) => {
                let resolution = self.resolve_attempt(cx, view, row, &facts, &open, answers);
                self.act_on(cx, view, row, resolution)
            }
            None => self.claim(cx, view, row, None),
        }
    }

    pub(super) fn act_on(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        resolution: Resolution,
    ) -> Vec<Command> {
        match resolution {
            Resolution::Present { by } => self.claim(cx, view, row, by),
            Resolution::Wait(at) => {
                self.begin_vigil(cx.now);
                if self.is_operator() {
                    self.knowledge.attended = Some(at + cx.policy.span());
                }
                self.leave_with(cx, not_before(row.generation, at, Delay::InDoubt))
            }
            Resolution::AskLogin => self.ask_login(cx, row),
        }
    }

    /// Everything that forbids an attempt although none is open.
    fn held_up(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
    ) -> Option<Vec<Command>> {
        if let Some(commands) = self.resource_at_fault(cx, view, row, facts) {
            return Some(commands);
        }
        if let Some(commands) = self.forbidden(cx, view, row) {
            return Some(commands);
        }
        if let Some(commands) = self.just_refreshed(cx, view, row, facts) {
            return Some(commands);
        }
        if facts.refresh.is_none() {
            return Some(self.without_refresh_token(cx, view, row, facts));
        }
        if self.draining && !mutant("claim_while_draining") {
            return Some(self.wait_or_leave(cx, cx.now, Delay::ShuttingDown));
        }
        None
    }

    /// A verdict, everybody's or this process' own; a person may try all the same, unless the request of another
    /// attempt may still be under way.
    fn forbidden(&mut self, cx: &Context<'_>, view: &RowView, row: &Row) -> Option<Vec<Command>> {
        let person = self.is_operator();
        if mutant("verdict_of_the_row_is_ignored") {
            return None;
        }
        if let Some(verdict) = row.current_verdict() {
            let verdict = verdict.map(|at| view.moment_of(at));
            match verdict.ruling {
                Ruling::LogIn { why } if !person => {
                    return Some(self.log_in(cx, row.generation, why, verdict));
                }
                Ruling::NotBefore { at, why } if at > cx.now && (why == Delay::InFlight || !person) => {
                    return Some(self.leave_with(cx, verdict));
                }
                Ruling::LogIn { .. } | Ruling::NotBefore { .. } => {}
            }
        }
        if person {
            return None;
        }
        let (until, why) = self.knowledge.hold(row.generation, cx.now)?;
        Some(self.wait_or_leave(cx, until, why))
    }

    /// The successor of a rejected token was rejected too: it goes on being served to everybody else. One that has ended
    /// already is no successor.
    fn resource_at_fault(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
    ) -> Option<Vec<Command>> {
        let valid = !cx.policy.remaining(facts, view.now).valid.is_zero();
        let about_this = valid && self.is_reported(row);
        let until = self.knowledge.resource_at_fault(row.generation, cx.now).filter(|_| about_this)?;
        self.knowledge.absolve(row.generation);
        let mut commands = vec![Command::Unmark(row.generation)];
        commands.extend(self.deliver_and_end(Delivery::RejectedAgain { at: until }));
        Some(commands)
    }

    /// Whether the report this flight began with is about the row's token. One about an older token is not.
    fn is_reported(&self, row: &Row) -> bool {
        let access = row.facts.map(|facts| facts.access);
        self.need
            .rejection()
            .is_some_and(|(rejected, reported)| rejected >= row.generation || access == Some(reported))
    }

    /// Whether a resource refused the row's token.
    pub(super) fn is_refused(&self, row: &Row) -> bool {
        self.is_reported(row) || self.knowledge.is_rejected(row.generation)
    }

    /// A mark on the successor of a rejected token is about the resource: it holds nobody else up.
    fn excuse(&mut self, cx: &Context<'_>, row: &Row) -> Option<Command> {
        // Whoever reported an older token did not report this one.
        let marked = !self.is_reported(row) && self.knowledge.is_rejected(row.generation);
        self.knowledge.resource_at_fault(row.generation, cx.now).filter(|_| marked)?;
        self.knowledge.absolve(row.generation);
        Some(Command::Unmark(row.generation))
    }

    fn just_refreshed(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
    ) -> Option<Vec<Command>> {
        let rotated = row.made_from > Generation::ZERO;
        let settled_at = facts.made_at + SETTLED_FOR;
        let valid = !cx.policy.remaining(facts, view.now).valid.is_zero();
        let exempt = match self.need {
            Need::Now { seen } => seen.is_some() || mutant("every_click_rotates"),
            _ => valid && self.is_refused(row),
        };
        if !rotated || exempt || view.now >= settled_at || mutant("no_rest_after_a_success") {
            return None;
        }
        if valid && !matches!(self.need, Need::RefreshedAhead | Need::Resolved) {
            return Some(self.adopt(row));
        }
        Some(self.wait_or_leave(cx, view.moment_of(settled_at), Delay::JustRefreshed))
    }

    /// The access token serves until it ends; then there is one clear state.
    fn without_refresh_token(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
    ) -> Vec<Command> {
        let valid = cx.policy.remaining(facts, view.now).valid;
        if valid.is_zero() || self.is_refused(row) || self.is_operator() {
            return self.deliver_and_end(Delivery::LogIn {
                generation: row.generation,
                why: Revocation::NoRefreshToken,
            });
        }
        self.adopt(row)
    }

    fn log_in(
        &mut self,
        cx: &Context<'_>,
        generation: Generation,
        why: Revocation,
        verdict: Verdict<Moment>,
    ) -> Vec<Command> {
        let mut commands: Vec<_> = self.post(cx, verdict).into_iter().collect();
        commands.extend(self.deliver_and_end(Delivery::LogIn { generation, why }));
        commands
    }

    fn gone(&mut self, cx: &Context<'_>, row: Option<&Row>, answers: AnswersView) -> Vec<Command> {
        let forgotten = !mutant("forgotten_account_is_unknown")
            && row.is_none()
            && self.knowledge.known > Generation::ZERO;
        if forgotten && matches!(answers, AnswersView::Unreadable) {
            // An answer may bring the account back: that it is unknown cannot be told yet.
            return self.store_away(cx, &StoreReply::NotApplied);
        }
        let mut commands = Vec::new();
        if let Some(row) = row {
            self.knowledge.saw(row.generation);
            if !mutant("deleted_account_keeps_answers") {
                commands.push(Command::EraseAnswers(row.generation));
            }
            commands.push(Command::Publish(Notice::Gone(row.generation)));
        }
        commands.extend(self.deliver_and_end(Delivery::Unknown));
        commands
    }

    /// The provider refused the token. That is a lost race if anybody has moved the account on meanwhile, doubt if
    /// that cannot be told, and only otherwise the end of the grant.
    fn convict(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        answers: AnswersView,
        own: super::Own,
        why: Revocation,
    ) -> Vec<Command> {
        let generation = view.row.as_ref().map(|row| row.generation);
        let first = own.open.first.at;
        // By then nobody keeps an answer any more: there is nothing left to wait for.
        let over = view.now >= first + KEEP_ANSWERS;
        let (newest, vouched) = match answers {
            AnswersView::Unreadable if !over && !mutant("verdict_without_answers") => {
                return self.refused_in_doubt(cx, &own);
            }
            AnswersView::Unreadable => (None, true),
            AnswersView::Read { newest, kept_since } => {
                (newest, over || kept_since <= first || mutant("verdict_by_an_empty_place"))
            }
        };
        let newest = newest.filter(|_| !mutant("verdict_without_answers"));
        let answered = newest.is_some_and(|note| Some(note.attempt) > generation);
        if generation != Some(own.from) || answered {
            return self.judge(cx, view, answers);
        }
        // Where tokens are never spent no pair was lost with an answer: the refusal means what it says.
        if !vouched && cx.policy.replay().window() != Window::Always {
            return self.refused_in_doubt(cx, &own);
        }
        let before = view.row.as_ref().and_then(Row::current_verdict);
        let why = match before.map(|verdict| verdict.ruling) {
            // A person tried once more, and knows no better now.
            Some(Ruling::LogIn { why: known }) if known.is_explained() => known,
            _ => why.in_view_of(own.past, cx.policy.replay()),
        };
        self.settle_log_in(cx, own, why)
    }

    /// The provider has answered and will not say anything else for a while: this process asks more and more rarely.
    fn refused_in_doubt(&mut self, cx: &Context<'_>, own: &super::Own) -> Vec<Command> {
        let until = self.cool_down(cx, own.from, Delay::InDoubt);
        self.leave_in_doubt_until(cx, own, until)
    }

    fn commit_found(
        &mut self,
        cx: &Context<'_>,
        note: AnswerNote,
        row: &Row,
        read_at: StoreTime,
    ) -> Vec<Command> {
        self.phase = Phase::Adopting;
        let note = note.by(read_at);
        let due_in = note.content.facts().and_then(|facts| cx.due_in(&facts, self.spread));
        let seen = row.open.map(|open| open.id);
        let commit = Commit { note, seen, evidence: None, due_in, as_of: Some(read_at) };
        vec![Command::CommitFound(commit)]
    }

    pub(super) fn on_adopted(&mut self, cx: &Context<'_>, reply: StoreReply) -> Vec<Command> {
        match reply {
            StoreReply::Done(view) => {
                let read = AnswersView::Read { newest: None, kept_since: view.now };
                let publish = self.publish_row(view.row.as_ref());
                let mut commands = self.judge(cx, &view, read);
                if publish.is_some_and(|publish| !commands.contains(&publish)) {
                    commands.splice(..0, publish);
                }
                commands
            }
            StoreReply::Moved(_) | StoreReply::Late => self.look_again(cx),
            reply => self.store_away(cx, &reply),
        }
    }

    fn publish_row(&mut self, row: Option<&Row>) -> Option<Command> {
        let row = row.filter(|row| row.facts.is_some())?;
        self.knowledge.saw(row.generation);
        Some(Command::Publish(Notice::Token(Source::Row)))
    }

    /// The row moved while we looked: somebody else is at work.
    pub(super) fn look_again(&mut self, cx: &Context<'_>) -> Vec<Command> {
        self.looks = self.looks.saturating_add(1);
        if self.looks < super::MAX_LOOKS {
            return self.load(cx, Then::Judge);
        }
        self.looks = 0;
        self.wait_or_leave(cx, cx.now, Delay::InFlight)
    }
}

/// A verdict that asks to wait, no failure counted.
pub(super) fn not_before(generation: Generation, at: Moment, why: Delay) -> Verdict<Moment> {
    Verdict { generation, ruling: Ruling::NotBefore { at, why }, strikes: 0 }
}

impl Context<'_> {
    /// When an account with these facts wants to be looked at.
    pub(super) fn due_in(&self, facts: &crate::NewFacts, spread: u64) -> Option<Duration> {
        next_look(self.policy, facts, spread)
    }
}

/// When an account with a new credential wants to be looked at: when refreshing starts, or half-way to the refresh
/// token's end if that comes first; never without a refresh token.
pub fn next_look(policy: &crate::Policy, facts: &crate::NewFacts, spread: u64) -> Option<Duration> {
    facts.refresh?;
    let lifetime = facts.expires_in.unwrap_or(policy.assumed_lifetime());
    let ahead = policy.windows_spread(Some(lifetime), spread).ahead;
    let refresh = lifetime.saturating_sub(ahead);
    let idle = facts.refresh_expires_in.or_else(|| policy.refresh_life());
    Some(idle.and_then(half_way).map_or(refresh, |idle| refresh.min(idle)))
}

/// When a refresh token that ends unless it is used wants to be used. One whose end a refresh does not move comes nearer
/// to it each time by half: not in steps shorter than the rest after a success, and not beyond it.
fn half_way(left: Duration) -> Option<Duration> {
    (!left.is_zero() && !mutant("idle_token_is_left_to_die")).then(|| (left / 2).max(SETTLED_FOR))
}

/// Whether the refresh token is half-way to its end.
pub(super) fn is_fading(policy: &crate::Policy, facts: &Facts, now: StoreTime) -> bool {
    let stated = facts.refresh_expires_at.map(|end| end.since(facts.made_at));
    let life = facts.refresh.and(stated.or_else(|| policy.refresh_life()));
    life.and_then(half_way).is_some_and(|half| now >= facts.made_at + half)
}
