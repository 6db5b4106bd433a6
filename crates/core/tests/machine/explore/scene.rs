//! What a world is made of and what may go wrong in it.

use std::time::Duration;

use solekey_core::{
    AnswerNote, ClaimId, Content, Facts, Fingerprint, Freshness, Generation, Login, Moment, NewFacts, Policy,
    PolicySettings, Remaining, Replay, Row, StoreTime,
};
use uuid::Uuid;

use super::{
    provider::{Provider, Rule, Token},
    world::{Left, World, Written},
};

/// The constants of one exploration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) policy: Policy,
    pub(crate) rule: Rule,
    /// Seconds of life the first access token has left when the world begins, of [`LIFE`].
    pub(crate) first_left: u8,
    /// Seconds of life of later access tokens.
    pub(crate) life: u8,
    /// What callers ask for besides valid tokens.
    pub(crate) asks: Asks,
    /// How long a flight waits for others, in seconds.
    pub(crate) patience: u8,
    /// When the world ends, in seconds.
    pub(crate) horizon: u8,
    /// What may go wrong, or be done from outside.
    pub(crate) left: Left,
    /// More states than that are a failure.
    pub(crate) cap: usize,
}

/// When callers come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asks {
    /// When the access token is no longer good enough.
    Overdue,
    /// As soon as refreshing starts.
    Ahead,
}

/// Whole life of the first access token.
pub(crate) const LIFE: u8 = 40;

/// The instant a world begins, on the store's clock and on every process' clock.
const STORE_ORIGIN: u64 = 1_000_000_000_000;
const PROCESS_ORIGIN: u64 = 50_000_000;
const SECOND: u64 = 1_000_000;

impl Scene {
    /// A world with nothing going wrong: exchanges of 1 s, attempts of 3 s.
    pub(crate) fn new(rule: Rule) -> Self {
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
            policy: settings.build().unwrap(),
            rule,
            first_left: 1,
            life: LIFE,
            asks: Asks::Overdue,
            patience: 0,
            horizon: 7,
            left: Left::NONE,
            cap: 2_000_000,
        }
    }

    /// Whether callers would start a flight for this credential.
    pub(crate) fn wants_refresh(&self, facts: &Facts, now: StoreTime) -> bool {
        let freshness = Self::freshness(facts, now);
        match self.asks {
            Asks::Overdue => freshness < Freshness::Ahead,
            Asks::Ahead => freshness < Freshness::Fresh,
        }
    }

    /// Judges as the machine does for an account without jitter of its own.
    pub(crate) fn freshness(facts: &Facts, now: StoreTime) -> Freshness {
        let lifetime = facts.lifetime().unwrap_or(Duration::MAX);
        let ahead = secs(AHEAD).min(lifetime / 4);
        let windows = solekey_core::Windows { skew: secs(1).min(lifetime / 10), ahead };
        Remaining::of(facts, now).freshness(windows)
    }

    /// The world before anything happened: one account, logged in a while ago.
    pub(crate) fn first(&self) -> World {
        let mut provider = Provider::default();
        let token = provider.log_in();
        let mut row = Row::unborn();
        let begun = store_time(0) - secs(LIFE - self.first_left);
        let login = login(0, token, secs(LIFE));
        row.login(&login, false, begun).unwrap();
        row.due_at = None;
        let note = AnswerNote {
            attempt: row.generation,
            claim: login.id,
            made_from: Generation::ZERO,
            content: Content::LoggedIn(login.facts),
        };
        let answers = vec![Written { note, at: begun }];
        World::new(row, answers, provider, self.left)
    }
}

/// How early refreshing starts.
const AHEAD: u8 = 10;

/// From connect to the last byte of an answer.
pub(crate) const EXCHANGE: u8 = 1;

/// How long an attempt may be in flight.
pub(crate) const SPAN: u8 = 3;

pub(crate) fn secs(count: u8) -> Duration {
    Duration::from_secs(count.into())
}

pub(crate) fn store_time(tick: i16) -> StoreTime {
    StoreTime::from_micros(STORE_ORIGIN.saturating_add_signed(i64::from(tick) * SECOND.cast_signed()))
}

pub(crate) fn moment(tick: u8) -> Moment {
    Moment::from_micros(PROCESS_ORIGIN + u64::from(tick) * SECOND)
}

/// The first tick at which this moment has come.
pub(crate) fn tick_of(moment: Moment) -> u8 {
    u8::try_from((moment.as_micros() - PROCESS_ORIGIN).div_ceil(SECOND)).unwrap_or(u8::MAX)
}

/// Names claims by the second in which they are made, and their order in it.
pub(crate) fn claim_id(tick: u8, number: u8) -> ClaimId {
    ClaimId::new(Uuid::from_u128(0xC000 + (u128::from(tick) << 4) + u128::from(number)))
}

pub(crate) fn login(number: u8, token: Token, life: Duration) -> Login {
    Login {
        id: ClaimId::new(Uuid::from_u128(0xA000 + u128::from(number))),
        facts: facts(token, token, life),
        accept_spent: false,
        due_in: None,
        as_of: None,
    }
}

/// The facts of a pair; `access` tells access tokens apart where refresh tokens do not rotate.
pub(crate) fn facts(access: u8, refresh: Token, life: Duration) -> NewFacts {
    NewFacts {
        access: fingerprint(0xA0, access),
        refresh: Some(fingerprint(0xB0, refresh)),
        expires_in: Some(life),
        refresh_expires_in: None,
    }
}

/// The refresh token that this fingerprint stands for.
pub(crate) fn token_of(fingerprint: Fingerprint) -> Token {
    let text = fingerprint.to_string();
    u8::from_str_radix(&text[30..], 16).unwrap()
}

fn fingerprint(kind: u8, number: u8) -> Fingerprint {
    let mut bytes = [kind; 16];
    bytes[15] = number;
    Fingerprint::new(bytes)
}
