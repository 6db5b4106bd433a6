//! Decisions about a row and its newest answer.

use super::{
    Context, Flight, MAX_READS, Phase, Then,
    attempt::Attempt,
    command::{Command, Delivery, Notice, Source},
    event::{AnswersView, RowView, StoreReply},
    knowledge::Subject,
    resolve::Resolution,
};
use crate::{
    AnswerNote, Commit, Decision, Delay, Facts, Generation, KEEP_ANSWERS, Moment, Need, Revocation, Row,
    SETTLED_FOR, StoreTime, UnreadNote, Verdict, Window, mutant,
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
            (StoreReply::Done(view), Then::Decide) if self.early_answers(&view).is_some() => {
                let answers = self.early_answers(&view).unwrap_or(AnswersView::Unreadable);
                self.decide(cx, &RowView { asked, ..view }, answers)
            }
            (StoreReply::Done(view), then) => {
                self.hiccups = 0;
                self.phase = Phase::Answers { row: Box::new(RowView { asked, ..view }), then };
                vec![Command::ReadAnswers]
            }
            (reply, Then::Decide) => self.store_away(cx, &reply),
            (_, Then::ConfirmRevocation(attempt, _)) => self.leave_in_doubt(cx, &attempt),
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
            Then::Decide => self.decide(cx, &view, answers),
            Then::ConfirmRevocation(attempt, why) => {
                self.confirm_revocation(cx, &view, answers, &attempt, why)
            }
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

    pub(super) fn decide(&mut self, cx: &Context<'_>, view: &RowView, answers: AnswersView) -> Vec<Command> {
        let token = view.row.as_ref().and_then(|row| Some((row.generation, row.facts?.access)));
        let mark = token.and_then(|(generation, access)| self.recognise(cx, generation, access));
        mark.into_iter().chain(self.decide_on_row(cx, view, answers)).collect()
    }

    /// The order matters: an answer newer than the row is its future and comes before everything, a token good
    /// enough before any verdict, a verdict before any attempt.
    fn decide_on_row(&mut self, cx: &Context<'_>, view: &RowView, answers: AnswersView) -> Vec<Command> {
        let empty = Row::empty();
        let row = view.row.as_ref().unwrap_or(&empty);
        if let AnswersView::Read { newest: Some(note), .. } = answers
            && note.attempt > row.generation
            && !mutant("answers_are_skipped")
        {
            return self.commit_found(cx, note, row, view.now);
        }
        let Some(facts) = row.facts else { return self.gone(cx, view.row.as_ref(), answers) };
        self.knowledge.learn_evidence(row, view.now, view.asked);
        if self.knowledge.known > row.generation && !mutant("store_that_went_back_is_believed") {
            // A verdict made since then holds: a refused token is not presented again and again.
            let forbidden = self.forbidden(cx, view, row, answers);
            return forbidden.unwrap_or_else(|| self.resolve_went_back(cx, view, row, &facts, answers));
        }
        self.knowledge.saw(row.generation);
        self.knowledge.believe_claim(row, view.now);
        let cleared = self.clear_served_rejection(cx, row);
        cleared.into_iter().chain(self.decide_on_current_row(cx, view, row, &facts, answers)).collect()
    }

    fn decide_on_current_row(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
        answers: AnswersView,
    ) -> Vec<Command> {
        if self.row_is_good(cx, row, facts, view.now) {
            return self.adopt(row);
        }
        match row.open {
            Some(_) => self.begin_recheck(cx.now),
            None => self.end_recheck(),
        }
        if let Some(commands) = self.blocked(cx, view, row, facts, answers) {
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
                let at = view.moment_of(open.until);
                self.leave_with(cx, Verdict::not_before(row.generation, at, Delay::InFlight))
            }
            Some(open) => {
                let resolution = self.resolve_attempt(cx, view, row, facts, &open, answers);
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
                self.begin_recheck(cx.now);
                if self.is_operator() {
                    self.knowledge.attended = Some(at + cx.policy.span());
                }
                self.leave_with(cx, Verdict::not_before(row.generation, at, Delay::InDoubt))
            }
            Resolution::AskLogin(why) => self.ask_login(cx, row, why),
        }
    }

    /// Everything that forbids an attempt although none is open.
    fn blocked(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
        answers: AnswersView,
    ) -> Option<Vec<Command>> {
        if let Some(commands) = self.resource_at_fault(cx, view, row, facts) {
            return Some(commands);
        }
        if let Some(commands) = self.forbidden(cx, view, row, answers) {
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

    /// A verdict, everybody's or this process' own, or an answer that nobody has understood; a person may try all the
    /// same, unless the request of another attempt may still be under way.
    fn forbidden(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        answers: AnswersView,
    ) -> Option<Vec<Command>> {
        let person = self.is_operator();
        if mutant("verdict_of_the_row_is_ignored") {
            return None;
        }
        if let Some(verdict) = row.current_verdict() {
            let verdict = verdict.map(|at| view.moment_of(at));
            match verdict.decision {
                Decision::LogIn { why } if !person => {
                    return Some(self.log_in(cx, row.generation, why, verdict));
                }
                Decision::NotBefore { at, why } if at > cx.now && (why == Delay::InFlight || !person) => {
                    return Some(self.leave_with(cx, verdict));
                }
                Decision::LogIn { .. } | Decision::NotBefore { .. } => {}
            }
        }
        if person {
            return None;
        }
        // An attempt of somebody else is waited for, or watched, first.
        if let Some(unread) = unread_of(cx, row, answers)
            && row.open.is_none_or(|open| open.id == unread.claim && !open.in_flight(view.now))
        {
            return Some(self.ask_login(cx, row, Revocation::AnswerUnread));
        }
        let (until, why) = self.knowledge.cooldown(row.generation, cx.now)?;
        Some(self.wait_or_leave(cx, until, why))
    }

    /// The successor of a rejected token was rejected too: it goes on being served to everybody else. One that has
    /// ended already is no successor.
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
        self.knowledge.clear_rejection(row.generation);
        let mut commands = vec![Command::ClearRejection(row.generation)];
        commands.extend(self.deliver_and_end(Delivery::RejectedAgain { at: until }));
        Some(commands)
    }

    /// Returns true if the report that this flight began with is about the row's token. One about an older token is
    /// not.
    fn is_reported(&self, row: &Row) -> bool {
        let access = row.facts.map(|facts| facts.access);
        self.need
            .rejection()
            .is_some_and(|(rejected, reported)| rejected >= row.generation || access == Some(reported))
    }

    /// Returns true if a resource refused the row's token.
    pub(super) fn is_refused(&self, row: &Row) -> bool {
        self.is_reported(row) || self.knowledge.is_rejected(row.generation)
    }

    /// A mark on the successor of a rejected token is about the resource: it keeps the token from nobody else.
    fn clear_served_rejection(&mut self, cx: &Context<'_>, row: &Row) -> Option<Command> {
        // Whoever reported an older token did not report this one.
        let marked = !self.is_reported(row) && self.knowledge.is_rejected(row.generation);
        self.knowledge.resource_at_fault(row.generation, cx.now).filter(|_| marked)?;
        self.knowledge.clear_rejection(row.generation);
        Some(Command::ClearRejection(row.generation))
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
            // An answer may bring the account back: nobody can know yet that it does not exist.
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
    /// nobody can know that, and only otherwise the end of the grant.
    fn confirm_revocation(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        answers: AnswersView,
        attempt: &Attempt,
        why: Revocation,
    ) -> Vec<Command> {
        let generation = view.row.as_ref().map(|row| row.generation);
        let first = attempt.first_claimed_at();
        // By then nobody keeps an answer any more: there is nothing left to wait for.
        let over = view.now >= first + KEEP_ANSWERS;
        let (newest, vouched) = match answers {
            AnswersView::Unreadable if !over && !mutant("verdict_without_answers") => {
                return self.refused_in_doubt(cx, attempt);
            }
            AnswersView::Unreadable => (None, true),
            AnswersView::Read { newest, kept_since, .. } => {
                (newest, over || kept_since <= first || mutant("verdict_by_an_empty_location"))
            }
        };
        let newest = newest.filter(|_| !mutant("verdict_without_answers"));
        let answered = newest.is_some_and(|note| Some(note.attempt) > generation);
        if generation != Some(attempt.from()) || answered {
            return self.decide(cx, view, answers);
        }
        // Where tokens are never spent no pair was lost with an answer: the refusal is what it seems.
        if !vouched && cx.policy.replay().window() != Window::Always {
            return self.refused_in_doubt(cx, attempt);
        }
        let before = view.row.as_ref().and_then(Row::current_verdict);
        let why = match before.map(|verdict| verdict.decision) {
            // A person tried once more, and knows no better now.
            Some(Decision::LogIn { why: known }) if known.is_explained() => known,
            _ => why.in_view_of(attempt.past(), cx.policy.replay()),
        };
        self.settle_log_in(cx, attempt.ending(true), why)
    }

    /// The provider has answered and will not answer otherwise for a while: this process asks more and more rarely.
    fn refused_in_doubt(&mut self, cx: &Context<'_>, attempt: &Attempt) -> Vec<Command> {
        let until = self.cool_down(cx, attempt.from(), Delay::InDoubt);
        self.leave_in_doubt_until(cx, attempt, until)
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
        let forgotten = Some(cx.forgotten());
        let commit = Commit { note, seen, evidence: None, due_in, as_of: Some(read_at), forgotten };
        vec![Command::CommitFound(commit)]
    }

    pub(super) fn on_adopted(&mut self, cx: &Context<'_>, reply: StoreReply) -> Vec<Command> {
        match reply {
            StoreReply::Done(view) => {
                let read = AnswersView::Read { newest: None, unread: None, kept_since: view.now };
                let publish = self.publish_row(view.row.as_ref());
                let mut commands = self.decide(cx, &view, read);
                if publish.is_some_and(|publish| !commands.contains(&publish)) {
                    commands.splice(..0, publish);
                }
                commands
            }
            StoreReply::Moved(_) | StoreReply::Late => self.check_again(cx),
            reply => self.store_away(cx, &reply),
        }
    }

    fn publish_row(&mut self, row: Option<&Row>) -> Option<Command> {
        let generation = row.filter(|row| row.facts.is_some())?.generation;
        self.knowledge.saw(generation);
        Some(Command::Publish(Notice::Token { generation, source: Source::Row }))
    }

    /// The row moved while it was read: somebody else is at work.
    pub(super) fn check_again(&mut self, cx: &Context<'_>) -> Vec<Command> {
        self.reads = self.reads.saturating_add(1);
        if self.reads < MAX_READS {
            return self.load(cx, Then::Decide);
        }
        self.reads = 0;
        self.wait_or_leave(cx, cx.now, Delay::InFlight)
    }
}

/// The answer that nobody has understood, where the successor may be in it and presenting again could lose that: it is
/// newer than the row.
pub(super) fn unread_of(cx: &Context<'_>, row: &Row, answers: AnswersView) -> Option<UnreadNote> {
    let AnswersView::Read { unread, .. } = answers else { return None };
    let unread = unread.filter(|note| note.attempt > row.generation)?;
    let counts = !cx.policy.replay().forgives_unread() && !mutant("unread_answer_counts_as_absent");
    counts.then_some(unread)
}
