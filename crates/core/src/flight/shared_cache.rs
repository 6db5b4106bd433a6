//! The request path: shared cache, first read of the row, lease.

use super::{
    Context, Flight, LeaseState, Phase, Then,
    command::{Command, Delivery, Notice, Source},
    due::is_fading,
    event::{CacheView, LeaseView, RowView, StoreReply, TokenView},
};
use crate::{
    Candidate, Decision, Delay, Facts, Fence, Generation, Moment, Need, Remaining, Row, StoreTime,
    backoff::{MAX_STEPS, cooldown},
    mutant,
};

impl Flight {
    pub(super) fn on_shared_cache(&mut self, cx: &Context<'_>, view: Option<CacheView>) -> Vec<Command> {
        let Some(view) = view else { return self.without_shared_cache(cx) };
        self.check_marked(&view);
        self.knowledge.reconcile_with_shared_cache(view.known, view.rejected);
        let mark = view.token.and_then(|token| self.recognise(cx, token.generation, token.access));
        mark.into_iter().chain(self.open_cached_token(cx, &view)).collect()
    }

    fn open_cached_token(&mut self, cx: &Context<'_>, view: &CacheView) -> Vec<Command> {
        self.last_published.shared_cache = view.verdict.map(|verdict| verdict.map(|left| cx.now + left));
        if let Some(token) =
            view.token.filter(|token| self.need != Need::Resolved && self.cached_token_is_good(cx, token))
        {
            self.knowledge.saw(token.generation);
            return self.deliver_and_end(Delivery::Token {
                generation: token.generation,
                source: Source::SharedCache,
            });
        }
        let Some(known) = view.known else {
            return if mutant("unknown_id_takes_a_lease") { self.take_lease() } else { self.read_row() };
        };
        self.knowledge.saw(known);
        if let Some((at, why)) = self.delay_in_shared_cache(cx, view) {
            return self.wait_or_leave(cx, at, why);
        }
        self.take_lease()
    }

    /// A shared cache that does not know the reported generation has not kept the mark either.
    fn check_marked(&mut self, view: &CacheView) {
        if let Some((generation, _)) = self.need.rejection()
            && view.known < Some(generation)
            && self.knowledge.rejected == Some(generation)
        {
            self.knowledge.mark_rejected(generation);
        }
    }

    /// The row replaces a shared cache that cannot answer: for an id that nobody knows no lease is requested.
    fn read_row(&mut self) -> Vec<Command> {
        self.phase = Phase::FirstRead;
        vec![Command::Load]
    }

    fn without_shared_cache(&mut self, cx: &Context<'_>) -> Vec<Command> {
        match self.lease {
            LeaseState::Unavailable => self.load(cx, Then::Decide),
            LeaseState::NotHeld | LeaseState::Held(_) => self.read_row(),
        }
    }

    /// A delay that everyone was notified of. Whoever watches an attempt in doubt has to read the row itself; a person
    /// who requests a refresh does not wait for a cooldown; LogIn is confirmed by the row, as a login may have been
    /// published while the shared cache was away.
    fn delay_in_shared_cache(&self, cx: &Context<'_>, view: &CacheView) -> Option<(Moment, Delay)> {
        let verdict = view.verdict.filter(|verdict| {
            view.known == Some(verdict.generation) || mutant("verdict_of_an_older_generation")
        })?;
        let Decision::NotBefore { at: left, why } = verdict.decision else { return None };
        let stands = !left.is_zero() && !self.is_operator();
        let watching = self.knowledge.watch.is_some() || self.need == Need::Resolved;
        let ours_to_watch = watching && matches!(why, Delay::InFlight | Delay::InDoubt);
        (stands && !ours_to_watch).then(|| (cx.now + left, why))
    }

    pub(super) fn on_row_read(&mut self, cx: &Context<'_>, reply: StoreReply) -> Vec<Command> {
        let StoreReply::Done(view) = reply else { return self.store_away(cx, &reply) };
        self.hiccups = 0;
        let Some(row) = &view.row else {
            // A store that forgot the account gets it back from its answers; nobody needs a lease to ask for them.
            self.phase = Phase::Answers { row: Box::new(view), then: Then::Decide };
            return vec![Command::ReadAnswers];
        };
        self.knowledge.believe_claim(row, view.now);
        let mark = row.facts.and_then(|facts| self.recognise(cx, row.generation, facts.access));
        mark.into_iter().chain(self.take_from_row(cx, &view, row)).collect()
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
            self.end_recheck();
        }
        let mut commands = vec![Command::Publish(Notice::Token { generation, source: Source::Row })];
        commands.extend(self.deliver_and_end(Delivery::Token { generation, source: Source::Row }));
        commands
    }

    pub(super) fn take_lease(&mut self) -> Vec<Command> {
        self.phase = Phase::Lease;
        let known = self.knowledge.known;
        let floor =
            (known > Generation::ZERO && !mutant("lease_without_a_floor")).then(|| Fence::new(known.get()));
        vec![Command::TakeLease { floor }]
    }

    pub(super) fn on_lease(&mut self, cx: &Context<'_>, view: LeaseView) -> Vec<Command> {
        match view {
            LeaseView::Granted(fence) => self.lease = LeaseState::Held(fence),
            LeaseView::Away => self.lease = LeaseState::Unavailable,
            LeaseView::Busy => return self.wait_or_leave(cx, cx.now, Delay::InFlight),
        }
        self.load(cx, Then::Decide)
    }

    pub(super) fn load(&mut self, cx: &Context<'_>, then: Then) -> Vec<Command> {
        self.phase = Phase::Load { asked: cx.now, then };
        vec![Command::Load]
    }

    pub(super) fn is_operator(&self) -> bool {
        self.need.is_operator()
    }

    fn cached_token_is_good(&self, cx: &Context<'_>, token: &TokenView) -> bool {
        // A cache that was lost may show again what it had before; one that was away, or still waits for a publication,
        // has what this process has long replaced or deleted.
        if token.generation < self.knowledge.known {
            return false;
        }
        let windows = cx.policy.windows_spread(token.lifetime, self.spread);
        let nominal = token.good + windows.skew;
        let freshness = Remaining { valid: token.valid, nominal }.freshness(windows);
        self.is_good(&Candidate { generation: token.generation, access: token.access, freshness })
    }

    pub(super) fn row_is_good(&self, cx: &Context<'_>, row: &Row, facts: &Facts, now: StoreTime) -> bool {
        let fading = is_fading(cx.policy, facts, now);
        let unresolved = self.need == Need::Resolved && (row.open.is_some() || fading || row.is_unread());
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
        let at = cx.now + cooldown(self.hiccups, cx.jitter);
        self.hiccups = (self.hiccups + 1).min(MAX_STEPS);
        self.wait_or_leave(cx, at, why)
    }
}
