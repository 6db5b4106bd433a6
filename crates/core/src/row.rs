//! One row per account, and the four conditional changes it knows.
//!
//! The functions here are the meaning of the store's operations. Stores that run code inside a transaction call
//! them; stores that cannot (Lua) repeat them and are compared with them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AnswerNote, Claim, ClaimId, Content, Delay, Facts, Fence, Fingerprint, First, Generation, NewFacts, Open,
    Ruling, StoreTime, Verdict, mutant, time::as_micros,
};

/// The format number written into rows. Older code serves newer rows' caches but does not claim what it cannot read.
pub const ROW_FORMAT: u16 = 1;

/// How many fingerprints of presented refresh tokens a row keeps: newest first, enough to recognise any file an
/// operator might still have lying around.
pub const MAX_PRESENTED: usize = 64;

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
    /// What to do next.
    pub verdict: Option<Verdict<StoreTime>>,
    /// The last rotation that a rejection caused.
    pub evidence: Option<Evidence>,
    /// Fingerprints of refresh tokens presented, newest first.
    pub presented: Vec<Fingerprint>,
    /// How often the pair was rotated, for people.
    pub rotations: u64,
    /// When the account wants to be looked at; `None` when nothing is due.
    pub due_at: Option<StoreTime>,
}

/// The memory of a rotation on evidence: the interval to the next one doubles while successors keep being rejected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// When the rotation was committed.
    pub at: StoreTime,
    /// How long further evidence is taken to be about the resource.
    #[serde(with = "as_micros")]
    pub interval: Duration,
}

/// The wish to put an answer into the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Commit {
    /// Which change.
    pub note: AnswerNote,
    /// The open attempt that was seen when this change was found beside the row.
    pub seen: Option<ClaimId>,
    /// The interval to write when a rejection caused the rotation.
    pub evidence: Option<Duration>,
    /// When to look at the account again; `None`: never by itself.
    pub due_in: Option<Duration>,
    /// The store's time from which the content's spans count, as far as the caller can tell: what the change itself
    /// takes is not added to a token's life. `None`, or later than the store's clock: from when it is made.
    pub as_of: Option<StoreTime>,
}

/// The wish to end an attempt without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Settle {
    /// The attempt's claim.
    pub id: ClaimId,
    /// The generation it was made from.
    pub from: Generation,
    /// What to do next; `None` leaves what was said before.
    pub verdict: Option<NewVerdict>,
    /// When to look at the account again.
    pub due_in: Option<Duration>,
}

/// A verdict on its way into a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NewVerdict {
    /// What it says, in time from now.
    pub ruling: Ruling<Duration>,
    /// The step of the cooldown ladder.
    pub strikes: u8,
}

/// The wish to replace a credential by a login.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Login {
    /// Names the change.
    pub id: ClaimId,
    /// The new credential.
    pub facts: NewFacts,
    /// Take the refresh token even if it was presented before or another account holds it.
    pub accept_spent: bool,
    /// When to look at the account.
    pub due_in: Option<Duration>,
    /// The store's time from which the facts' spans count; as in a [`Commit`].
    pub as_of: Option<StoreTime>,
}

/// What a login did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LoginEffect {
    /// A new generation.
    New,
    /// The row holds this very token already; nothing changed.
    Same,
}

/// Why a change was not made. The row is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// The row is not as it was seen: look again.
    Moved,
    /// The change arrived after its owner gave up on it.
    Late,
    /// The refresh token was presented before, or another account of the provider holds it.
    AlreadyPresented,
}

impl Row {
    /// Opens an attempt.
    ///
    /// # Errors
    /// [`Refusal::Late`] past `not_after`; [`Refusal::Moved`] unless the generation is the one seen and the open
    /// attempt is the one seen, past its `until`. Repeating a claim that was made succeeds.
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
        if !from || self.facts.is_none() || !as_seen || in_flight {
            return Err(Refusal::Moved);
        }
        let attempt = Generation::mint(self.minted, claim.fence, now);
        let seen = self.open.filter(|_| !mutant("attempt_forgets_the_first"));
        let first = seen.map_or(First { attempt, at: now }, |open| open.first);
        let until = if mutant("quarantine_zero") { now } else { now + claim.span };
        self.open = Some(Open { id: claim.id, attempt, first, until, cause: claim.cause });
        self.minted = attempt;
        self.due_at = if mutant("attempt_is_not_due") { self.due_at } else { Some(until) };
        self.remember(claim.presents);
        Ok(())
    }

    /// Puts an answer into the row.
    ///
    /// # Errors
    /// [`Refusal::Moved`] unless the answer is newer than the row and either was made from the row's generation or
    /// the open attempt is the one that was seen. Repeating a commit that was made succeeds.
    pub fn commit(&mut self, commit: &Commit, now: StoreTime) -> Result<(), Refusal> {
        let Commit { note, seen, evidence, due_in, as_of } = *commit;
        let made = self.generation > Generation::ZERO && self.generation == note.attempt;
        if made && self.made_by == note.claim {
            return Ok(());
        }
        let fits = note.made_from == self.generation
            || self.open.map(|open| open.id) == seen
            || mutant("commit_beside_unseen_attempt");
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
        self.replace_by(note, as_of.map_or(now, |then| then.min(now)));
        self.verdict = other.map(|open| Verdict {
            generation: note.attempt,
            ruling: Ruling::NotBefore { at: open.until, why: Delay::InFlight },
            strikes: 0,
        });
        if matches!(note.content, Content::Rotated(_)) {
            self.rotations += 1;
            self.evidence = evidence.map_or(self.evidence, |interval| Some(Evidence { at: now, interval }));
        } else {
            self.evidence = None;
        }
        self.due_at = due_in.map(|span| now + span);
        Ok(())
    }

    /// Ends an attempt without an answer: closed when no earlier attempt of its generation may have been processed,
    /// else the generation stays in doubt.
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
                ruling: Verdict { generation: self.generation, ruling: verdict.ruling, strikes: 0 }
                    .map(|span| now + span)
                    .ruling,
                strikes: verdict.strikes,
            });
        }
        self.open = if closes(open) { None } else { Some(Open { until: self.retry_at(now), ..open }) };
        self.due_at = settle.due_in.map(|span| now + span);
        Ok(())
    }

    /// Takes a login in. `claimed_elsewhere` tells whether another account of the provider holds or presented the
    /// refresh token.
    ///
    /// # Errors
    /// [`Refusal::AlreadyPresented`] when the refresh token was presented before or belongs to another account,
    /// unless `accept_spent`.
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
        self.verdict = None;
        self.evidence = None;
        self.due_at = None;
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

    /// What an account looks like that the store has never heard of: the row before its first change.
    pub fn unborn() -> Self {
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
            rotations: 0,
            due_at: None,
        }
    }

    /// Whether the row records a delete, or nothing at all yet.
    pub fn is_gone(&self) -> bool {
        self.facts.is_none()
    }

    /// Whether a login made the credential, and no refresh.
    pub fn is_by_login(&self) -> bool {
        self.facts.is_some() && self.made_from == Generation::ZERO
    }

    /// The verdict, unless it speaks about an older generation.
    pub fn current_verdict(&self) -> Option<Verdict<StoreTime>> {
        self.verdict.filter(|verdict| verdict.generation == self.generation)
    }

    /// The content's spans count from `as_of`.
    fn replace_by(&mut self, note: AnswerNote, as_of: StoreTime) {
        if let Some(refresh) = self.facts.and_then(|facts| facts.refresh)
            && note.content.facts().is_none_or(|new| new.refresh != Some(refresh))
        {
            self.remember(refresh);
        }
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
        match self.verdict.map(|verdict| verdict.ruling) {
            Some(Ruling::NotBefore { at, .. }) => at.max(now),
            Some(Ruling::LogIn { .. }) | None => now,
        }
    }

    /// The lower bound that a lease's fence gives the next generation, and back: what to tell the lease.
    pub fn fence_floor(&self) -> Fence {
        Fence::new(self.minted.get())
    }
}

fn closes(open: Open) -> bool {
    open.is_first() || mutant("settle_wipes_first")
}
