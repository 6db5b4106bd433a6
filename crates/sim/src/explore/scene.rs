//! The parts of a world, and the failures that may happen in it.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use solekey_core::{
    AnswerNote, ClaimId, Content, Facts, Fingerprint, Freshness, Generation, Login, NewFacts, Policy,
    PolicySettings, Remaining, Replay, Row, StoreTime,
};
use uuid::Uuid;

use super::{
    provider::{Provider, Rule, Token},
    tick::{Tick, secs, store_time},
    world::{Left, World, Written},
};

/// The constants of one exploration.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The account's policy.
    pub policy: Policy,
    /// The rule by which the token endpoint treats spent tokens.
    pub rule: Rule,
    /// The number of processes.
    pub workers: usize,
    /// Callers stop coming once the row was rotated so many times.
    pub rotations: u8,
    /// Whole life of the first access token, in seconds.
    pub first_life: u8,
    /// Seconds of it that are left when the world begins.
    pub first_left: u8,
    /// Seconds of life of later access tokens.
    pub life: u8,
    /// Seconds of life of refresh tokens, where they end unless used.
    pub refresh_life: Option<u8>,
    /// The requests of callers in addition to those for valid tokens.
    pub asks: Asks,
    /// The time for which a flight waits for others, in seconds.
    pub patience: u8,
    /// The results of requests for the lease.
    pub lease: Lease,
    /// Seconds after which it no longer matters how long ago something was, only in which order: more than any window
    /// of the policy and any life.
    pub memory: u16,
    /// The failures and the actions from outside that may still happen.
    pub left: Left,
    /// From one of so many states, by chance, a healed run has to end well; 1: from all of them.
    pub healed: u8,
    /// More states than that are a failure.
    pub cap: usize,
}

/// The times at which callers come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asks {
    /// Once the access token is no longer good enough.
    Overdue,
    /// As soon as refreshing starts.
    Ahead,
}

/// The lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    /// There is none: anybody may enter the owner path at any time.
    Away,
    /// It is granted, refused or away as it pleases, to several at once too.
    Lies,
}

/// Ids of claims are not below this; those of logins and deletes are.
pub(crate) const FIRST_CLAIM: u128 = 0x1_0000;

impl Scene {
    /// A world with nothing going wrong: exchanges of 1 s, attempts of 3 s.
    pub fn new(rule: Rule) -> Self {
        let replay = match rule {
            Rule::NonRotating => Replay::NON_ROTATING,
            Rule::Strict => Replay::STRICT,
            Rule::StrictFamily => Replay::STRICT_FAMILY,
            Rule::Grace(window) => Replay::grace(secs(window)),
            Rule::UntilUsed => Replay::UNTIL_USED,
        };
        let settings = PolicySettings {
            replay,
            exchange_timeout: secs(EXCHANGE),
            quarantine: Some(secs(SPAN)),
            skew: secs(1),
            refresh_ahead: secs(AHEAD),
            ..PolicySettings::default()
        };
        Self {
            policy: settings.build().expect("a valid policy"),
            rule,
            workers: 2,
            rotations: 1,
            first_life: 6,
            first_left: 1,
            life: 6,
            refresh_life: None,
            asks: Asks::Overdue,
            patience: 0,
            lease: Lease::Away,
            memory: 10,
            left: Left::NONE,
            healed: 1,
            cap: 2_000_000,
        }
    }

    /// Returns whether callers would start a flight for this credential.
    pub(crate) fn wants_refresh(&self, facts: &Facts, now: StoreTime) -> bool {
        let freshness = Self::freshness(facts, now);
        match self.asks {
            Asks::Overdue => freshness < Freshness::Ahead,
            Asks::Ahead => freshness < Freshness::Fresh,
        }
    }

    /// Returns the freshness that the machine computes for an account without jitter of its own.
    pub(crate) fn freshness(facts: &Facts, now: StoreTime) -> Freshness {
        let lifetime = facts.lifetime().unwrap_or(Duration::MAX);
        let ahead = secs(AHEAD).min(lifetime / 4);
        let windows = solekey_core::Windows { skew: secs(1).min(lifetime / 10), ahead };
        Remaining::of(facts, now, solekey_core::ASSUMED_LIFETIME).freshness(windows)
    }

    /// The world before anything happened: one account, logged in a while ago.
    pub(crate) fn first(&self) -> World {
        let mut provider = Provider::default();
        let token = provider.log_in();
        let mut row = Row::empty();
        let begun = store_time(0) - secs(self.first_life - self.first_left);
        let login = self.login(0, token, secs(self.first_life));
        row.login(&login, false, begun).expect("a first login");
        let note = AnswerNote {
            attempt: row.generation,
            claim: login.id,
            made_from: Generation::ZERO,
            content: Content::LoggedIn(login.facts),
            access_ends: None,
        };
        let answers = vec![Written { note, at: begun }];
        let mut world = World::new(self.workers, row, answers, provider, self.left);
        world.tidy_row();
        world
    }

    pub(crate) fn login(&self, number: u8, token: Token, life: Duration) -> Login {
        Login {
            id: ClaimId::new(Uuid::from_u128(0xA000 + u128::from(number))),
            facts: self.facts(token, token, life),
            accept_spent: false,
            accept_lesser: false,
            amends: None,
            due_in: None,
            as_of: None,
        }
    }

    /// Returns the facts of a pair; `access` distinguishes access tokens where refresh tokens do not rotate.
    pub(crate) fn facts(&self, access: u8, refresh: Token, life: Duration) -> NewFacts {
        NewFacts {
            access: fingerprint(0xA0, access),
            refresh: Some(fingerprint(0xB0, refresh)),
            expires_in: Some(life),
            refresh_expires_in: self.refresh_life.map(secs),
        }
    }
}

/// The time before its end from which a token is refreshed, in seconds.
const AHEAD: u8 = 60;

/// From connect to the last byte of an answer.
pub(crate) const EXCHANGE: u8 = 1;

/// The longest time that an attempt may be in flight, in seconds.
pub(crate) const SPAN: u8 = 3;

/// Names claims by the second in which they are made, and their order in it.
pub(crate) fn claim_id(tick: Tick, number: u8) -> ClaimId {
    ClaimId::new(Uuid::from_u128(FIRST_CLAIM + (u128::from(tick) << 8) + u128::from(number)))
}

/// The refresh token that this fingerprint stands for.
pub(crate) fn token_of(fingerprint: Fingerprint) -> Token {
    let mut last = LastByte::default();
    fingerprint.hash(&mut last);
    last.0
}

/// Fingerprints show themselves as text only, which takes a tenth of an exploration's time.
#[derive(Default)]
struct LastByte(u8);

impl Hasher for LastByte {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.last().copied().unwrap_or_default();
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0.into()
    }
}

fn fingerprint(kind: u8, number: u8) -> Fingerprint {
    let mut bytes = [kind; 16];
    bytes[15] = number;
    Fingerprint::new(bytes)
}
