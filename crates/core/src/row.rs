//! One row per account, and the four conditional changes it knows.
//!
//! The functions here are the meaning of the store's operations. Stores that run code inside a transaction call
//! them; stores that cannot (Lua) repeat them and are compared with them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AnswerNote, Cause, Claim, ClaimId, Content, Decision, Delay, Facts, Fence, Fingerprint, First,
    Generation, NewFacts, Open, Revocation, StoreTime, Verdict, mutant, time::as_micros,
};

/// The format number written into rows. Older code serves newer rows' caches but does not claim what it cannot read.
pub const ROW_FORMAT: u16 = 1;

/// The number of fingerprints of presented refresh tokens that a row keeps, newest first. Older ones move to the
/// [archive](crate::Archived) of the store, which only a login reads.
pub const MAX_PRESENTED: usize = 64;

/// A clock that is behind by less has not been stepped: of two requests the one that read the clock first may have come
/// second.
pub const STEP: Duration = Duration::from_secs(1);

/// An account's durable state, without its tokens.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The generation of the credential, or of the tombstone.
    pub generation: Generation,
    /// The change that made it.
    pub made_by: ClaimId,
    /// The generation its credential was refreshed from; zero for a login.
    pub made_from: Generation,
    /// The highest generation minted so far.
    pub minted: Generation,
    /// The credential; `None` is a tombstone.
    pub facts: Option<Facts>,
    /// The attempt that is neither settled nor committed.
    pub open: Option<Open>,
    /// The verdict on its next step.
    pub verdict: Option<Verdict<StoreTime>>,
    /// The last rotation that a rejection caused.
    pub evidence: Option<Evidence>,
    /// Fingerprints of refresh tokens presented, newest first.
    pub presented: Vec<Fingerprint>,
    /// The refresh token that the account held when it was deleted and that was never presented: a person may bring it
    /// back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Fingerprint>,
    /// The number of rotations, for people.
    pub rotations: u64,
    /// The time at which the account is due for a check; `None` when nothing is due.
    pub due_at: Option<StoreTime>,
    /// The time of the last of the changes; every other instant of the row is plausible only as seen from there.
    #[serde(default)]
    pub changed_at: StoreTime,
}

/// The memory of a rotation on evidence: the interval to the next one doubles while successors keep being rejected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// The time of the rotation's commit.
    pub at: StoreTime,
    /// The time for which further evidence is taken to be about the resource.
    #[serde(with = "as_micros")]
    pub interval: Duration,
}

/// A request to put an answer into the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Commit {
    /// The change.
    pub note: AnswerNote,
    /// The open attempt that was seen when this change was found outside the row.
    pub seen: Option<ClaimId>,
    /// The interval to write when a rejection caused the rotation.
    pub evidence: Option<Duration>,
    /// The time after which the account is due for a check; `None`: never by itself.
    pub due_in: Option<Duration>,
    /// The store's time from which the content's spans count, as far as the caller knows it: the duration of the change
    /// itself is not added to a token's life. `None`, or later than the store's clock: from when it is made.
    pub as_of: Option<StoreTime>,
    /// What is open afterwards if the store has forgotten the account. `None`, if its owner commits a pair that nobody
    /// else can have presented.
    pub forgotten: Option<Forgotten>,
}

/// An attempt that a store may have forgotten along with an account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Forgotten {
    /// Its name.
    pub id: ClaimId,
    /// The longest time for which its request may still be under way.
    pub span: Duration,
}

/// A request to end an attempt without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Settle {
    /// The attempt's claim.
    pub id: ClaimId,
    /// The generation it was made from.
    pub from: Generation,
    /// The verdict on the next step; `None` leaves the one before.
    pub verdict: Option<NewVerdict>,
    /// The time after which the account is due for a check.
    pub due_in: Option<Duration>,
}

/// A verdict on its way into a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NewVerdict {
    /// The decision, in time from now.
    pub decision: Decision<Duration>,
    /// The step of the cooldown ladder.
    pub strikes: u8,
}

/// A request to replace a credential by a login.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Login {
    /// Names the change.
    pub id: ClaimId,
    /// The new credential.
    pub facts: NewFacts,
    /// Take the refresh token even if it was presented before or another account holds it.
    pub accept_spent: bool,
    /// Take an access token alone in place of a pair.
    pub accept_lesser: bool,
    /// The change that made the credential which this one corrects, with the same refresh token: it is taken only over
    /// that one, and leaves the verdict.
    pub amends: Option<ClaimId>,
    /// The time after which the account is due for a check.
    pub due_in: Option<Duration>,
    /// The store's time from which the facts' spans count; as in a [`Commit`].
    pub as_of: Option<StoreTime>,
}

/// The effect of a login.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LoginEffect {
    /// A new generation.
    New,
    /// The row holds this very token already; nothing changed.
    Same,
}

/// The reason for which a change was not made. The row is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// The row is not as it was seen: it has to be read again.
    Moved,
    /// The change arrived after its owner gave up on it.
    Late,
    /// The refresh token was presented before, or another account holds it.
    AlreadyPresented,
    /// The account holds a refresh token, and the new credential has none.
    Lesser,
}

impl Row {
    /// Moves the row's instants to a clock that has stepped back behind the last change, and returns whether it did. What
    /// was to last for a time from that change lasts as long from now, at the longest: an attempt stays in flight, and
    /// nothing waits for the clock to get there again.
    pub fn follow(&mut self, now: StoreTime) -> bool {
        let ahead = self.changed_at.since(now);
        if ahead < STEP || mutant("row_waits_for_a_clock_that_stepped_back") {
            return false;
        }
        self.move_instants(|at| at - ahead);
        true
    }

    /// Replaces every instant.
    #[doc(hidden)] // For comparisons of stores, where clocks step.
    pub fn move_instants(&mut self, to: impl Fn(StoreTime) -> StoreTime) {
        if let Some(facts) = &mut self.facts {
            facts.made_at = to(facts.made_at);
            facts.expires_at = facts.expires_at.map(&to);
            facts.refresh_expires_at = facts.refresh_expires_at.map(&to);
        }
        if let Some(open) = &mut self.open {
            (open.first.at, open.until) = (to(open.first.at), to(open.until));
        }
        self.verdict = self.verdict.map(|verdict| verdict.map(&to));
        if let Some(evidence) = &mut self.evidence {
            evidence.at = to(evidence.at);
        }
        self.due_at = self.due_at.map(&to);
        self.changed_at = to(self.changed_at);
    }

    /// Opens an attempt.
    ///
    /// # Errors
    /// [`Refusal::Late`] past `not_after`; [`Refusal::Moved`] unless the generation is the one seen and the open
    /// attempt is the one seen, past its `until`, or where the last answer was not understood and no person asks. Repeating a claim that was made succeeds.
    pub fn claim(&mut self, claim: &Claim, now: StoreTime) -> Result<(), Refusal> {
        if self.open.is_some_and(|open| open.id == claim.id) && !mutant("claim_forgets_its_id") {
            return Ok(());
        }
        if now > claim.not_after && !mutant("late_claim_is_made") {
            return Err(Refusal::Late);
        }
        let as_seen = self.open.map(|open| open.id) == claim.seen || mutant("claim_over_unseen_attempt");
        let in_flight =
            self.open.is_some_and(|open| open.in_flight(now)) && !mutant("claim_over_attempt_in_flight");
        let from = self.generation == claim.from || mutant("claim_from_any_generation");
        // A claim that was on its way when the verdict was written has not seen it.
        let unread =
            self.is_unread() && claim.cause != Cause::Operator && !mutant("claim_over_an_unread_answer");
        if !from || self.facts.is_none() || !as_seen || in_flight || unread {
            return Err(Refusal::Moved);
        }
        let attempt = Generation::mint(self.minted, claim.fence, now);
        let seen = self.open.filter(|_| !mutant("attempt_forgets_the_first"));
        let first = seen.map_or(First { attempt, at: now }, |open| open.first);
        let until = if mutant("quarantine_zero") { now } else { now + claim.span };
        self.open = Some(Open { id: claim.id, attempt, first, until, cause: claim.cause });
        self.minted = attempt;
        self.due_at = if mutant("attempt_is_not_due") { self.due_at } else { Some(until) };
        self.changed_at = now;
        self.remember(claim.presents);
        Ok(())
    }

    /// Puts an answer into the row.
    ///
    /// # Errors
    /// [`Refusal::Moved`] unless the answer is newer than the row and either was made from the row's generation or
    /// the open attempt is the one that was seen. Repeating a commit that was made succeeds.
    pub fn commit(&mut self, commit: &Commit, now: StoreTime) -> Result<(), Refusal> {
        let Commit { note, seen, evidence, due_in, as_of, forgotten } = *commit;
        let made = self.generation > Generation::ZERO && self.generation == note.attempt;
        if made && self.made_by == note.claim {
            return Ok(());
        }
        let fits = note.made_from == self.generation
            || self.open.map(|open| open.id) == seen
            || mutant("commit_despite_unseen_attempt");
        let newer = note.attempt > self.generation
            || mutant("commit_of_an_older_answer")
            || note.attempt == self.generation && mutant("commit_of_an_equal_number");
        if !newer || !fits {
            return Err(Refusal::Moved);
        }
        let other = self
            .open
            .filter(|open| open.id != note.claim && open.in_flight(now))
            .filter(|_| !mutant("commit_forgets_other_attempt"));
        let forgotten = forgotten.filter(|_| self.is_forgotten());
        self.replace_by(note, as_of.map_or(now, |then| then.min(now)));
        self.verdict = other.map(|open| Verdict {
            generation: note.attempt,
            decision: Decision::NotBefore { at: open.until, why: Delay::InFlight },
            strikes: 0,
        });
        if matches!(note.content, Content::Rotated(_)) {
            self.rotations += 1;
            self.evidence = evidence.map_or(self.evidence, |interval| Some(Evidence { at: now, interval }));
        } else {
            self.evidence = None;
        }
        self.due_at = due_in.map(|span| now + span);
        self.changed_at = now;
        if let Some(forgotten) = forgotten {
            self.doubt(forgotten, now);
        }
        Ok(())
    }

    /// Ends an attempt without an answer: closed when neither it nor an earlier attempt of its generation may have been
    /// processed, else the generation stays in doubt.
    ///
    /// # Errors
    /// [`Refusal::Moved`] unless generation and open attempt are the ones named. For whoever settles, that is an
    /// acknowledgement too: its attempt is not open.
    pub fn settle(&mut self, settle: &Settle, now: StoreTime) -> Result<(), Refusal> {
        let Some(open) = self.open.filter(|open| open.id == settle.id || mutant("settle_of_any_attempt"))
        else {
            return Err(Refusal::Moved);
        };
        if self.generation != settle.from {
            return Err(Refusal::Moved);
        }
        if let Some(verdict) = settle.verdict {
            self.verdict = Some(Verdict {
                generation: self.generation,
                decision: Verdict { generation: self.generation, decision: verdict.decision, strikes: 0 }
                    .map(|span| now + span)
                    .decision,
                strikes: verdict.strikes,
            });
        }
        // One whose answer was not understood stays open: a claim that saw none before it is to find it.
        let closes = closes(open) && (!self.is_unread() || mutant("unread_attempt_is_closed"));
        self.open = if closes { None } else { Some(Open { until: self.retry_at(now), ..open }) };
        self.due_at = settle.due_in.map(|span| now + span);
        self.changed_at = now;
        Ok(())
    }

    /// Takes a login in. `claimed_elsewhere` is true if another account holds or presented the refresh
    /// token, or the archive remembers it.
    ///
    /// # Errors
    /// [`Refusal::AlreadyPresented`] when the refresh token was presented before or belongs to another account,
    /// unless `accept_spent`; [`Refusal::Lesser`] when an access token alone would replace a pair, unless
    /// `accept_lesser`; [`Refusal::Moved`] for an amendment unless the credential is the one that it corrects and no
    /// attempt is open: its refresh token may be spent.
    pub fn login(
        &mut self,
        login: &Login,
        claimed_elsewhere: bool,
        now: StoreTime,
    ) -> Result<LoginEffect, Refusal> {
        let is_born = self.generation > Generation::ZERO;
        if is_born && self.made_by == login.id {
            return Ok(LoginEffect::New);
        }
        if let Some(amended) = login.amends {
            return self.amend(login, amended, now);
        }
        let is_lesser =
            login.facts.refresh.is_none() && self.facts.is_some_and(|facts| facts.refresh.is_some());
        if is_lesser && !login.accept_lesser && !mutant("access_token_replaces_a_pair") {
            return Err(Refusal::Lesser);
        }
        if !login.accept_spent {
            if self.holds(&login.facts) && !mutant("login_with_same_token_is_new") {
                return Ok(LoginEffect::Same);
            }
            let known = login.facts.refresh.is_some_and(|token| self.presented.contains(&token))
                && !mutant("login_with_spent_token");
            if known || claimed_elsewhere && !mutant("login_with_token_of_another") {
                return Err(Refusal::AlreadyPresented);
            }
        }
        let attempt = Generation::mint(self.minted, None, now);
        let open = self.open.filter(|_| mutant("login_leaves_attempt_open"));
        self.replace_by(
            AnswerNote {
                attempt,
                claim: login.id,
                made_from: Generation::ZERO,
                content: Content::LoggedIn(login.facts),
                access_ends: None,
            },
            login.as_of.map_or(now, |then| then.min(now)),
        );
        self.open = open;
        self.verdict = None;
        self.evidence = None;
        self.due_at = login.due_in.map(|span| now + span);
        self.changed_at = now;
        Ok(LoginEffect::New)
    }

    /// Corrects the credential that `amended` made. Its refresh token is neither spent nor saved by this: what was
    /// decided about it stays.
    fn amend(&mut self, login: &Login, amended: ClaimId, now: StoreTime) -> Result<LoginEffect, Refusal> {
        let is_open = self.open.is_some() && !mutant("amendment_voids_an_attempt");
        if self.made_by != amended || !self.holds(&login.facts) || is_open {
            return Err(Refusal::Moved);
        }
        let verdict = self.current_verdict().filter(|_| !mutant("amendment_voids_the_verdict"));
        let attempt = Generation::mint(self.minted, None, now);
        self.replace_by(
            AnswerNote {
                attempt,
                claim: login.id,
                made_from: Generation::ZERO,
                content: Content::LoggedIn(login.facts),
                access_ends: None,
            },
            login.as_of.map_or(now, |then| then.min(now)),
        );
        self.verdict = verdict.map(|verdict| Verdict { generation: attempt, ..verdict });
        if verdict.is_none() {
            self.due_at = login.due_in.map(|span| now + span);
        }
        self.changed_at = now;
        Ok(LoginEffect::New)
    }

    /// Turns the row into a tombstone; a tombstone stays as it is.
    pub fn delete(&mut self, id: ClaimId, now: StoreTime) {
        if self.facts.is_none() {
            return;
        }
        let attempt = if mutant("delete_keeps_the_number") {
            self.generation
        } else {
            Generation::mint(self.minted, None, now)
        };
        let left = self.facts.take().and_then(|facts| facts.refresh);
        self.replace_by(
            AnswerNote {
                attempt,
                claim: id,
                made_from: Generation::ZERO,
                content: Content::Deleted,
                access_ends: None,
            },
            now,
        );
        self.leave(left);
        self.verdict = None;
        self.evidence = None;
        self.due_at = None;
        self.changed_at = now;
    }

    /// Allows the payload to be replaced by the same credential under another seal; the row stays as it is.
    ///
    /// # Errors
    /// [`Refusal::Moved`] unless `made_by` made the row: whatever made it since has brought a payload of its own.
    pub fn reseal(&self, made_by: ClaimId) -> Result<(), Refusal> {
        let same = self.made_by == made_by || mutant("reseal_of_any_credential");
        if self.is_gone() || !same { Err(Refusal::Moved) } else { Ok(()) }
    }

    /// The open attempt past its `until`: in doubt, unless there is an answer.
    pub fn overdue_attempt(&self, now: StoreTime) -> Option<Generation> {
        self.open.filter(|open| !open.in_flight(now)).map(|open| open.attempt)
    }

    /// The row of an account before its first change.
    pub fn empty() -> Self {
        Self {
            generation: Generation::ZERO,
            made_by: ClaimId::new(uuid::Uuid::nil()),
            made_from: Generation::ZERO,
            minted: Generation::ZERO,
            facts: None,
            open: None,
            verdict: None,
            evidence: None,
            presented: Vec::new(),
            left: None,
            rotations: 0,
            due_at: None,
            changed_at: StoreTime::default(),
        }
    }

    /// Returns true if the row records a delete, or nothing at all yet.
    pub fn is_gone(&self) -> bool {
        self.facts.is_none()
    }

    /// Returns true if a login made the credential, and no refresh.
    pub fn is_by_login(&self) -> bool {
        self.facts.is_some() && self.made_from == Generation::ZERO
    }

    /// The verdict, unless it is about an older generation.
    pub fn current_verdict(&self) -> Option<Verdict<StoreTime>> {
        self.verdict.filter(|verdict| verdict.generation == self.generation)
    }

    /// Returns true if the last answer to its refresh token was not understood, by its verdict.
    pub fn is_unread(&self) -> bool {
        let decision = self.current_verdict().map(|verdict| verdict.decision);
        decision == Some(Decision::LogIn { why: Revocation::AnswerUnread })
    }

    /// Returns true if the store has forgotten the account, or had before somebody brought it back.
    fn is_forgotten(&self) -> bool {
        let lost = self.open.is_some_and(|open| open.first.is_forgotten());
        (self.minted == Generation::ZERO || lost) && !mutant("forgotten_attempt_is_none")
    }

    /// Opens the attempt that the store may have forgotten: whoever made it may be presenting until its span is over.
    fn doubt(&mut self, forgotten: Forgotten, now: StoreTime) {
        if self.facts.and_then(|facts| facts.refresh).is_none() {
            return;
        }
        let attempt = Generation::mint(self.minted, None, now);
        let until = now + forgotten.span;
        let first = First::forgotten(now);
        self.open = Some(Open { id: forgotten.id, attempt, first, until, cause: Cause::Forgotten });
        self.minted = attempt;
    }

    /// The content's spans count from `as_of`.
    fn replace_by(&mut self, note: AnswerNote, as_of: StoreTime) {
        let replaced = self.facts.map_or(self.left, |facts| facts.refresh);
        if let Some(refresh) = replaced
            && note.content.facts().is_none_or(|new| new.refresh != Some(refresh))
        {
            self.remember(refresh);
        }
        self.left = None;
        self.generation = note.attempt;
        self.made_by = note.claim;
        self.made_from = note.made_from;
        self.minted = self.minted.max(note.attempt);
        self.facts = note.content.facts().map(|facts| facts.at(as_of));
        self.open = None;
    }

    fn holds(&self, new: &NewFacts) -> bool {
        let Some(facts) = self.facts else { return false };
        match new.refresh {
            Some(_) => facts.refresh == new.refresh,
            None => facts.refresh.is_none() && facts.access == new.access,
        }
    }

    /// A token that was only held is not one that was presented.
    fn leave(&mut self, held: Option<Fingerprint>) {
        match held {
            Some(token) if mutant("held_counts_as_presented") => self.remember(token),
            held => self.left = held.filter(|token| !self.presented.contains(token)),
        }
    }

    fn remember(&mut self, token: Fingerprint) {
        if self.presented.contains(&token) || mutant("presented_token_is_forgotten") {
            return;
        }
        self.presented.insert(0, token);
        self.presented.truncate(MAX_PRESENTED);
    }

    fn retry_at(&self, now: StoreTime) -> StoreTime {
        if mutant("further_attempt_without_pause") {
            return now;
        }
        match self.verdict.map(|verdict| verdict.decision) {
            Some(Decision::NotBefore { at, .. }) => at.max(now),
            Some(Decision::LogIn { .. }) | None => now,
        }
    }

    /// The lower bound that a lease's fence sets for the next generation, and the other way round: the floor for the
    /// lease.
    pub fn fence_floor(&self) -> Fence {
        Fence::new(self.minted.get())
    }
}

fn closes(open: Open) -> bool {
    open.is_first() || mutant("settle_wipes_first")
}
