//! The memory of a process of one account, from flight to flight.

use std::time::Duration;

use crate::{Cause, ClaimId, Delay, Generation, Moment, Row, StoreTime, mutant};

/// The memory of a process of one account, from flight to flight. Losing it costs time, never safety.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Knowledge {
    /// The newest generation seen anywhere.
    pub known: Generation,
    /// The newest generation whose access token was rejected, by what was reported here or is marked in the shared
    /// cache.
    pub rejected: Option<Generation>,
    /// A mark of this process that the shared cache is not known to have: it counts whatever the cache shows.
    pub unshared: Option<Generation>,
    /// The generation that an open attempt rotates because its access token was rejected.
    pub rotated: Option<(Generation, ClaimId)>,
    /// The watch over an open attempt.
    pub watch: Option<Watch>,
    /// A cooldown of this process alone, whatever others do.
    pub local: Option<LocalCooldown>,
    /// This process tries nothing at the account's provider before then.
    pub provider: Option<(Moment, Delay)>,
    /// The end of the time in which a rejection of this generation is taken to be about the resource.
    pub evidence: Option<(Generation, Moment)>,
    /// The end of the time in which a doubt is watched because a person wants to present although something is left to
    /// lose.
    pub attended: Option<Moment>,
    /// The end, at the latest, of a reading of this process: the account's pair may arrive here until then.
    pub reading: Option<Moment>,
}

/// An open attempt watched on the own clock, so that no step of the store's clock shortens the owner's time, nor an
/// outage that hid its answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Watch {
    /// Its subject.
    pub subject: Subject,
    /// Its beginning: the subject was seen unchanged since then, with store and answers readable at every check.
    pub since: Moment,
    /// The last check.
    pub last: Moment,
    /// The longest time between two checks.
    pub widest: Duration,
}

/// The subject of a watch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// An open attempt.
    Attempt(ClaimId),
    /// A row older than what is known elsewhere.
    WentBack(Generation),
}

/// A cooldown that only concerns this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LocalCooldown {
    /// The generation it speaks about; a login voids it.
    pub generation: Generation,
    /// Its end.
    pub until: Moment,
    /// Its reason.
    pub why: Delay,
    /// Failures in a row.
    pub strikes: u8,
}

impl Knowledge {
    pub(super) fn saw(&mut self, generation: Generation) {
        self.known = self.known.max(generation);
    }

    /// Records a rejection of this generation's access token.
    pub fn reject(&mut self, generation: Generation) {
        self.rejected = self.rejected.max(Some(generation));
    }

    /// Records a mark made here, on its way to the shared cache.
    pub(super) fn mark_rejected(&mut self, generation: Generation) {
        self.reject(generation);
        if self.rejected == Some(generation) {
            self.unshared = self.rejected;
        }
    }

    /// Records that the shared cache has taken a mark, or could not.
    pub(super) fn marked(&mut self, generation: Generation, shared: bool) {
        if shared && self.unshared == Some(generation) {
            self.unshared = None;
        }
    }

    pub(super) fn clear_rejection(&mut self, generation: Generation) {
        self.rejected.take_if(|rejected| *rejected == generation);
        self.unshared.take_if(|unshared| *unshared == generation);
        self.rotated.take_if(|(rotated, _)| *rotated == generation);
    }

    /// Adopts the marks of the shared cache for the generations that it knows: whoever made a mark may have cleared
    /// it. A mark on a generation that the cache does not know cannot have been cleared there.
    pub(super) fn reconcile_with_shared_cache(
        &mut self,
        known: Option<Generation>,
        rejected: Option<Generation>,
    ) {
        self.rejected.take_if(|mine| known >= Some(*mine) && self.unshared != Some(*mine));
        self.rotated.take_if(|(mine, _)| known >= Some(*mine));
        self.unshared.take_if(|mine| rejected >= Some(*mine));
        self.rejected = self.rejected.max(rejected);
    }

    /// Adopts the mark in a claim: one that nobody could be notified of stands in the claim it causes, until that
    /// attempt is over.
    pub(super) fn believe_claim(&mut self, row: &Row, store_now: StoreTime) {
        let settled = row.current_verdict().is_some_and(|verdict| verdict.stands(store_now));
        let open = row.open.filter(|open| open.cause == Cause::Rejected && !settled);
        let open = open.filter(|_| !mutant("rejection_is_not_in_the_claim"));
        let seen = open.map(|open| (row.generation, open.id));
        let in_flight = open.is_some_and(|open| open.in_flight(store_now));
        self.rotated = seen.filter(|_| in_flight || self.rotated == seen);
    }

    /// The newest generation whose access token was rejected and not yet retried.
    pub fn withheld(&self) -> Option<Generation> {
        self.rejected.max(self.rotated.map(|(generation, _)| generation))
    }

    /// Returns true if the access token of this generation was rejected and not yet retried.
    pub fn is_rejected(&self, generation: Generation) -> bool {
        self.withheld() >= Some(generation) && !mutant("rejected_token_is_served")
    }

    pub(super) fn resource_at_fault(&self, generation: Generation, now: Moment) -> Option<Moment> {
        self.evidence
            .filter(|(about, until)| *about == generation && *until > now)
            .filter(|_| !mutant("resource_is_never_at_fault"))
            .map(|(_, until)| until)
    }

    /// Adds a check of a subject to the watch. A new watch starts when the subject is another one, or when the last
    /// check is so long ago that an outage in between could have hidden the owner's answer.
    pub(super) fn observe(&mut self, subject: Subject, now: Moment, span: Duration) {
        let goes_on = self.watch.filter(|watch| {
            watch.subject == subject
                && (now.since(watch.last) <= gap(span) || mutant("watch_goes_on_over_gaps"))
        });
        let since = goes_on.map_or(now, |watch| watch.since);
        let widest = goes_on.map_or(Duration::ZERO, |watch| watch.widest.max(now.since(watch.last)));
        self.watch = Some(Watch { subject, since, last: now, widest });
    }

    pub(super) fn lose_sight(&mut self) {
        if mutant("watch_goes_on_unseeing") {
            return;
        }
        self.watch = None;
    }

    /// Returns the instant at which the watch will have lasted for `span`, and for as long as an outage between two
    /// checks may have kept the owner from writing its answer: the outage itself, and the owner's sleep after it,
    /// which doubles from one failure to the next.
    pub(super) fn watched_until(&self, span: Duration) -> Option<Moment> {
        let factor = if mutant("watch_without_the_owners_sleep") { 0 } else { 2 };
        self.watch.map(|watch| watch.since + span + watch.widest * factor)
    }

    /// The delay of this process, whatever others do: the account's own trouble here, or its provider's.
    pub(super) fn cooldown(&self, generation: Generation, now: Moment) -> Option<(Moment, Delay)> {
        let local = self
            .local
            .filter(|local| local.generation == generation || mutant("cooldown_outlives_a_login"))
            .map(|local| (local.until, local.why));
        local.max(self.provider).filter(|(until, _)| *until > now)
    }

    pub(super) fn learn_evidence(&mut self, row: &Row, store_now: StoreTime, asked: Moment) {
        self.evidence = row.evidence.and_then(|evidence| {
            let left = (evidence.at + evidence.interval).since(store_now);
            (!left.is_zero()).then(|| (row.generation, asked + left))
        });
    }
}

/// The longest time between two checks of one watch: an owner retries at least every quarter of its span, and polls
/// come more often than that.
pub(super) fn gap(span: Duration) -> Duration {
    (span / 4).max(MIN_GAP)
}

/// Allowed between two checks however short the span.
const MIN_GAP: Duration = Duration::from_secs(1);
