//! The request path: shelf, look, door.

use super::{
    Command, Context, Delivery, Door, Event, Flight, LeaseView, Notice, Phase, RowView, ShelfView, Source,
    StoreReply, Then, TokenView,
};
use crate::{Candidate, Delay, Facts, Generation, Need, Remaining, Row, Ruling, StoreTime, mutant};

impl Flight {
    pub(super) fn on_shelf(&mut self, cx: &Context<'_>, view: Option<ShelfView>) -> Vec<Command> {
        let Some(view) = view else { return self.without_shelf(cx) };
        self.check_mark(&view);
        self.knowledge.believe_shelf(view.known, view.rejected);
        let marked = view.token.and_then(|token| self.recognise(cx, token.generation, token.access));
        marked.into_iter().chain(self.take_from_shelf(cx, &view)).collect()
    }

    fn take_from_shelf(&mut self, cx: &Context<'_>, view: &ShelfView) -> Vec<Command> {
        self.said.shelf = view.verdict.map(|verdict| verdict.map(|left| cx.now + left));
        if let Some(token) =
            view.token.filter(|token| self.need != Need::Resolved && self.shelf_token_is_good(cx, token))
        {
            self.knowledge.saw(token.generation);
            return self
                .deliver_and_end(Delivery::Token { generation: token.generation, source: Source::Shelf });
        }
        let Some(known) = view.known else {
            return if mutant("unknown_id_takes_a_lease") { self.take_lease() } else { self.look() };
        };
        self.knowledge.saw(known);
        if let Some((at, why)) = self.delay_on_shelf(cx, view) {
            return self.wait_or_leave(cx, at, why);
        }
        self.take_lease()
    }

    /// A shelf that does not know the generation reported has not kept the mark either.
    fn check_mark(&mut self, view: &ShelfView) {
        if let Some((generation, _)) = self.need.rejection()
            && view.known < Some(generation)
            && self.knowledge.rejected == Some(generation)
        {
            self.knowledge.mark(generation);
        }
    }

    /// The row answers for a shelf that cannot: it spares an id that nobody knows the lease.
    fn look(&mut self) -> Vec<Command> {
        self.phase = Phase::Look;
        vec![Command::Load]
    }

    fn without_shelf(&mut self, cx: &Context<'_>) -> Vec<Command> {
        match self.door {
            Door::Missing => self.load(cx, Then::Judge),
            Door::Outside | Door::Holding(_) => self.look(),
        }
    }

    /// A delay that everyone was told of. Whoever watches an attempt in doubt has to look at the row itself; a person
    /// asking for a refresh is not held up by a cooldown; LogIn is confirmed by the row, as a login may have been
    /// published while the shelf was away.
    fn delay_on_shelf(&self, cx: &Context<'_>, view: &ShelfView) -> Option<(crate::Moment, Delay)> {
        let verdict = view.verdict.filter(|verdict| {
            view.known == Some(verdict.generation) || mutant("verdict_of_an_older_generation")
        })?;
        let Ruling::NotBefore { at: left, why } = verdict.ruling else { return None };
        let held = !left.is_zero() && !self.is_operator();
        let watching = self.knowledge.watch.is_some() || self.need == Need::Resolved;
        let ours_to_watch = watching && matches!(why, Delay::InFlight | Delay::InDoubt);
        (held && !ours_to_watch).then(|| (cx.now + left, why))
    }

    pub(super) fn on_look(&mut self, cx: &Context<'_>, reply: StoreReply) -> Vec<Command> {
        let StoreReply::Done(view) = reply else { return self.store_away(cx, &reply) };
        self.hiccups = 0;
        let Some(row) = &view.row else {
            // A store that forgot the account gets it back from its answers; nobody needs a lease to ask for them.
            self.phase = Phase::Answers { row: Box::new(view), then: Then::Judge };
            return vec![Command::ReadAnswers];
        };
        self.knowledge.believe_claim(row, view.now);
        let marked = row.facts.and_then(|facts| self.recognise(cx, row.generation, facts.access));
        marked.into_iter().chain(self.take_from_row(cx, &view, row)).collect()
    }

    fn take_from_row(&mut self, cx: &Context<'_>, view: &RowView, row: &Row) -> Vec<Command> {
        if let Some(facts) = row.facts
            && self.row_is_good(cx, row, &facts, view.now)
            && (row.generation >= self.knowledge.known || mutant("store_that_went_back_is_believed"))
        {
            return self.adopt(row);
        }
        self.take_lease()
    }

    pub(super) fn adopt(&mut self, row: &Row) -> Vec<Command> {
        let generation = row.generation;
        self.knowledge.saw(generation);
        if row.open.is_none() {
            self.end_vigil();
        }
        let mut commands = vec![Command::Publish(Notice::Token(Source::Row))];
        commands.extend(self.deliver_and_end(Delivery::Token { generation, source: Source::Row }));
        commands
    }

    pub(super) fn take_lease(&mut self) -> Vec<Command> {
        self.phase = Phase::Door;
        let known = self.knowledge.known;
        let floor = (known > Generation::ZERO && !mutant("lease_without_a_floor"))
            .then(|| crate::Fence::new(known.get()));
        vec![Command::TakeLease { floor }]
    }

    pub(super) fn on_lease(&mut self, cx: &Context<'_>, view: LeaseView) -> Vec<Command> {
        match view {
            LeaseView::Granted(fence) => self.door = Door::Holding(fence),
            LeaseView::Away => self.door = Door::Missing,
            LeaseView::Busy => return self.wait_or_leave(cx, cx.now, Delay::InFlight),
        }
        self.load(cx, Then::Judge)
    }

    pub(super) fn load(&mut self, cx: &Context<'_>, then: Then) -> Vec<Command> {
        self.phase = Phase::Load { asked: cx.now, then };
        vec![Command::Load]
    }

    pub(super) fn is_operator(&self) -> bool {
        matches!(self.need, Need::Now { .. })
    }

    fn shelf_token_is_good(&self, cx: &Context<'_>, token: &TokenView) -> bool {
        // A shelf that was lost may show again what it had before.
        if token.generation < self.knowledge.known {
            return false;
        }
        let windows = cx.policy.windows_spread(token.lifetime, self.spread);
        let nominal = token.good + windows.skew;
        let freshness = Remaining { valid: token.valid, nominal }.freshness(windows);
        // A shelf that was away, or is still to be told, has what this process has long replaced or deleted.
        let lags = token.generation < self.knowledge.known;
        !lags && self.is_good(&Candidate { generation: token.generation, access: token.access, freshness })
    }

    pub(super) fn row_is_good(&self, cx: &Context<'_>, row: &Row, facts: &Facts, now: StoreTime) -> bool {
        let fading = super::judge::is_fading(cx.policy, facts, now);
        let unresolved = self.need == Need::Resolved && (row.open.is_some() || fading);
        let windows = cx.policy.windows_spread(facts.lifetime(), self.spread);
        let freshness = cx.policy.remaining(facts, now).freshness(windows);
        !unresolved
            && self.is_good(&Candidate { generation: row.generation, access: facts.access, freshness })
    }

    fn is_good(&self, candidate: &Candidate) -> bool {
        !self.knowledge.is_rejected(candidate.generation) && self.need.is_met_by(candidate)
    }

    /// Without the store nothing is presented; whoever watches starts anew.
    pub(super) fn store_away(&mut self, cx: &Context<'_>, reply: &StoreReply) -> Vec<Command> {
        self.knowledge.lose_sight();
        let why = match reply {
            StoreReply::UnreadableFormat => Delay::NewerFormat,
            _ => Delay::StoreDown,
        };
        let at = cx.now + super::claiming::cooldown(self.hiccups, cx.jitter);
        self.hiccups = (self.hiccups + 1).min(super::waiting::MAX_STEPS);
        self.wait_or_leave(cx, at, why)
    }
}

impl RowView {
    /// The process' time, on the pessimistic side, of an instant on the store's clock.
    pub(super) fn moment_of(&self, time: StoreTime) -> crate::Moment {
        self.asked + time.since(self.now)
    }

    /// An event for a store that did what it was asked to.
    pub fn done(self) -> Event {
        Event::Loaded(StoreReply::Done(self))
    }
}
