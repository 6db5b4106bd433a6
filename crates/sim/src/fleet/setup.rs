//! The set-up that a seed draws before anything happens.
/// What the provider does with spent tokens.
use std::time::Duration;

use solekey_core::{InDoubt, Policy, PolicySettings, Replay, Stale};

use super::rng::Rng;

/// One world, as drawn.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each was drawn by itself")]
pub struct Setup {
    /// The seed.
    pub seed: u64,
    /// Processes.
    pub replicas: usize,
    /// Accounts.
    pub accounts: usize,
    /// The handling of spent tokens.
    pub class: Class,
    /// The numbers of the policy.
    pub settings: PolicySettings,
    /// True if there are leases.
    pub lease: bool,
    /// True if there is a shared cache.
    pub cache: bool,
    /// True if answers lie where lease and shared cache are, and go away with them.
    pub answers_in_redis: bool,
    /// True if what is stored is sealed.
    pub sealed: bool,
    /// The last replica has another seal key.
    pub stranger: bool,
    /// Nothing goes wrong.
    pub calm: bool,
    /// The lifetime of access tokens.
    pub lifetime: Duration,
    /// A rotation ends the old access token.
    pub rotation_ends_access: bool,
    /// Of two pairs made from one token only the newer works.
    pub newest_sibling_only: bool,
    /// 503 means "not processed", and the provider keeps that.
    pub unavailable_is_unprocessed: bool,
    /// The provider hands out the access token it made last while that lives.
    pub same_access: bool,
    /// The form of answers that keep the refresh token.
    pub of_what_stays: OfWhatStays,
    /// The time that a call takes each way in the calm after the faults.
    pub distance: Duration,
    /// The time for which the faults last.
    pub chaos: Duration,
    /// The mean pause between two callers.
    pub pause: Duration,
    /// The faults and their rates.
    pub faults: Faults,
}

/// The provider's handling of spent tokens: the seven replay names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The refresh token stays.
    NonRotating,
    /// A new one, and the old one goes on working.
    OldStaysValid,
    /// A new one every so often.
    Timer(Duration),
    /// The old one works for a while, then it revokes.
    Grace(Duration),
    /// The old one works until the new one was used, then it revokes.
    UntilUsed,
    /// The old one is refused.
    Strict,
    /// The old one revokes.
    StrictFamily,
}

impl Class {
    /// The replay rule that Solekey is configured with.
    pub fn replay(self) -> Replay {
        match self {
            Self::NonRotating => Replay::NON_ROTATING,
            Self::OldStaysValid => Replay::OLD_STAYS_VALID,
            Self::Timer(_) => Replay::TIMER,
            Self::Grace(window) => Replay::grace(window),
            Self::UntilUsed => Replay::UNTIL_USED,
            Self::Strict => Replay::STRICT,
            Self::StrictFamily => Replay::STRICT_FAMILY,
        }
    }

    /// Returns whether presenting a token again is harmless at any time.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::NonRotating | Self::OldStaysValid | Self::Timer(_))
    }
}

/// The content of an answer that keeps the refresh token (RFC 6749, section 6: nothing, or the token).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfWhatStays {
    /// The token.
    Repeated,
    /// Nothing.
    LeftOut,
    /// An empty string.
    Empty,
    /// `null`.
    Null,
}

/// The faults: shares in a thousand, per call or per move of the nemesis. Every seed leaves some out, so that rare
/// meetings of the others are not drowned.
#[derive(Clone, Copy, Default, Debug)]
pub struct Faults {
    /// A call fails and the caller knows.
    pub refused: u32,
    /// A request is lost.
    pub lost_request: u32,
    /// A request is carried out and its reply lost.
    pub lost_reply: u32,
    /// A request is carried out after the caller gave up.
    pub late: u32,
    /// A request is carried out twice.
    pub twice: u32,
    /// A call is slow.
    pub slow: u32,
    /// Notifications are lost.
    pub lost_notifications: u32,
    /// Notifications come twice.
    pub double_notifications: u32,
    /// An exchange goes wrong.
    pub exchange: u32,
    /// An answer is odd.
    pub odd: u32,
    /// Weight of each move of the nemesis.
    pub crash: usize,
    /// See [`Faults::crash`].
    pub pause: usize,
    /// See [`Faults::crash`].
    pub restart: usize,
    /// See [`Faults::crash`].
    pub store_away: usize,
    /// See [`Faults::crash`].
    pub redis_away: usize,
    /// See [`Faults::crash`].
    pub answers_away: usize,
    /// See [`Faults::crash`].
    pub flush: usize,
    /// See [`Faults::crash`].
    pub answers_lost: usize,
    /// See [`Faults::crash`].
    pub gap: usize,
    /// See [`Faults::crash`].
    pub clock: usize,
    /// See [`Faults::crash`].
    pub store_clock: usize,
    /// See [`Faults::crash`].
    pub store_back: usize,
    /// See [`Faults::crash`].
    pub provider: usize,
    /// See [`Faults::crash`].
    pub withdrawn: usize,
    /// See [`Faults::crash`].
    pub redis_clock: usize,
}

impl Setup {
    /// Draws the set-up of this seed.
    pub fn draw(seed: u64) -> Self {
        let rng = Rng::new(seed, 1);
        let calm = rng.chance(60);
        let plain = rng.chance(120);
        let lifetime = secs(rng.pick(&[15, 20, 30, 60, 60, 120, 300, 300, 600, 3600]));
        let class = class(&rng);
        let settings = if plain { defaults(class, &rng) } else { settings(class, lifetime, &rng) };
        let embedded = rng.chance(150);
        let policy = settings.build().expect("numbers drawn within their bounds");
        let chaos = chaos(&policy, lifetime, &rng);
        let sealed = rng.chance(100);
        let faults = if calm { Faults::default() } else { Faults::draw(&rng) };
        // Where a store forgets, a lease may remember for it.
        let leases = if faults.store_back > 0 { 500 } else { 900 };
        Self {
            seed,
            replicas: 2 + rng.below(4),
            accounts: rng.pick(&[1, 2, 3, 4, 4, 6]),
            class,
            settings,
            lease: !embedded && rng.chance(leases),
            cache: !embedded && rng.chance(920),
            answers_in_redis: !embedded && rng.chance(600),
            sealed,
            stranger: sealed && rng.chance(400),
            calm,
            lifetime,
            rotation_ends_access: rng.chance(200),
            newest_sibling_only: rng.chance(300),
            unavailable_is_unprocessed: rng.chance(400),
            same_access: rng.chance(150),
            of_what_stays: rng.pick(&[
                OfWhatStays::Repeated,
                OfWhatStays::LeftOut,
                OfWhatStays::Empty,
                OfWhatStays::Null,
            ]),
            distance: Duration::from_millis(rng.pick(&[0, 1, 2, 5])),
            chaos,
            pause: chaos / u32::try_from(60 + rng.below(240)).unwrap_or(60),
            faults,
        }
    }

    /// The policy.
    ///
    /// # Panics
    /// Never: what is drawn is valid.
    pub fn policy(&self) -> Policy {
        self.settings.build().expect("numbers drawn within their bounds")
    }

    /// Returns whether this replica does not belong here. The first one does: it logs the accounts in.
    pub fn is_stranger(&self, replica: usize) -> bool {
        self.stranger && replica + 1 == self.replicas
    }

    /// Returns whether a step of the store's clock can shorten what protects a refresh token.
    pub fn trusts_store_clock(&self) -> bool {
        self.class.is_harmless() || matches!(self.class, Class::Grace(_))
    }
}

fn class(rng: &Rng) -> Class {
    match rng.below(10) {
        0 => Class::NonRotating,
        1 => Class::OldStaysValid,
        2 => Class::Timer(secs(rng.pick(&[20, 90, 400]))),
        3 => Class::Grace(secs(rng.pick(&[10, 30, 60, 120, 300]))),
        4 => Class::UntilUsed,
        5 | 6 => Class::Strict,
        _ => Class::StrictFamily,
    }
}

fn defaults(class: Class, rng: &Rng) -> PolicySettings {
    let in_doubt = rng.pick(&[InDoubt::LastChance, InDoubt::LastChance, InDoubt::AskLogin]);
    PolicySettings { replay: class.replay(), in_doubt, ..PolicySettings::default() }
}

fn settings(class: Class, lifetime: Duration, rng: &Rng) -> PolicySettings {
    let exchange_timeout = Duration::from_millis(rng.pick(&[500, 1000, 2000, 5000, 10_000]));
    let floor = exchange_timeout + (exchange_timeout / 4).min(secs(2));
    let quarantine = rng.chance(700).then(|| rng.span(floor + floor / 5, floor * 3));
    let lease_ttl =
        rng.chance(300).then(|| rng.span(exchange_timeout + exchange_timeout / 10, exchange_timeout * 4));
    let skew = rng.span(Duration::from_millis(500), (lifetime / 6).min(secs(60)));
    let refresh_ahead = skew + rng.span(Duration::from_millis(500), lifetime / 2);
    PolicySettings {
        replay: class.replay(),
        in_doubt: rng.pick(&[InDoubt::LastChance, InDoubt::LastChance, InDoubt::AskLogin]),
        stale: rng.pick(&[Stale::Serve, Stale::Serve, Stale::Serve, Stale::Refuse]),
        exchange_timeout,
        quarantine,
        lease_ttl,
        skew,
        refresh_ahead,
        max_wait: secs(rng.pick(&[0, 0, 1, 3, 8, 8, 20, 60, 120, 300])),
        ..PolicySettings::default()
    }
}

/// Long enough for tokens to end and for doubts to be resolved, short enough for thousands of seeds.
fn chaos(policy: &Policy, lifetime: Duration, rng: &Rng) -> Duration {
    let spans = policy.span() * 3 + lifetime.min(secs(600)) * 2;
    rng.span(secs(30), spans.clamp(secs(60), secs(900)))
}

impl Faults {
    fn draw(rng: &Rng) -> Self {
        let share = |most: u32| {
            if rng.chance(550) { 1 + u32::try_from(rng.below(most as usize)).unwrap_or(0) } else { 0 }
        };
        let weight = || if rng.chance(500) { 1 + rng.below(4) } else { 0 };
        Self {
            refused: share(60),
            lost_request: share(60),
            lost_reply: share(80),
            late: share(60),
            twice: share(80),
            slow: share(120),
            lost_notifications: share(400),
            double_notifications: share(200),
            exchange: share(500),
            odd: share(200),
            crash: weight() * 2,
            pause: weight(),
            restart: weight(),
            store_away: weight(),
            redis_away: weight(),
            answers_away: weight(),
            flush: weight(),
            answers_lost: weight().min(1),
            gap: weight(),
            clock: weight(),
            store_clock: usize::from(rng.chance(200)),
            store_back: usize::from(rng.chance(150)),
            provider: weight(),
            withdrawn: weight().min(1),
            redis_clock: usize::from(rng.chance(300)),
        }
    }
}

pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}
