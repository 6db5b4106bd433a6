//! What a seed draws before anything happens.

use std::time::Duration;

use solekey_core::{InDoubt, Policy, PolicySettings, Replay, Stale};

use super::dice::Dice;

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
    /// What the provider does with spent tokens.
    pub class: Class,
    /// The numbers of the policy.
    pub settings: PolicySettings,
    /// Whether there are leases.
    pub lease: bool,
    /// Whether there is a shelf.
    pub cache: bool,
    /// Whether answers lie where lease and shelf are, and go away with them.
    pub answers_in_redis: bool,
    /// Whether what is stored is sealed.
    pub sealed: bool,
    /// The last replica has another seal key.
    pub stranger: bool,
    /// Nothing goes wrong.
    pub calm: bool,
    /// How long access tokens live.
    pub lifetime: Duration,
    /// A rotation ends the old access token.
    pub rotation_ends_access: bool,
    /// Of two pairs made from one token only the newer works.
    pub newest_sibling_only: bool,
    /// 503 means "not processed", and the provider keeps that.
    pub unavailable_is_unprocessed: bool,
    /// The provider hands out the access token it made last while that lives.
    pub same_access: bool,
    /// What answers say of a refresh token that stays.
    pub of_what_stays: OfWhatStays,
    /// What a call takes each way in the calm after the faults.
    pub distance: Duration,
    /// How long the faults last.
    pub chaos: Duration,
    /// The mean pause between two callers.
    pub pause: Duration,
    /// What goes wrong, and how often.
    pub weathers: Weathers,
}

/// What the provider does with spent tokens: the seven replay names.
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
    /// How Solekey is told.
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

    /// Whether presenting a token again is harmless at any time.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::NonRotating | Self::OldStaysValid | Self::Timer(_))
    }
}

/// What an answer says of a refresh token that stays (RFC 6749, section 6: nothing, or the token).
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

/// What goes wrong: shares in a thousand, per call or per move of the nemesis. Every seed leaves some out, so that rare
/// meetings of the others are not drowned.
#[derive(Clone, Copy, Default, Debug)]
pub struct Weathers {
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
    /// News are lost.
    pub lost_news: u32,
    /// News come twice.
    pub double_news: u32,
    /// An exchange goes wrong.
    pub exchange: u32,
    /// An answer is odd.
    pub odd: u32,
    /// Weight of each move of the nemesis.
    pub crash: usize,
    /// See [`Weathers::crash`].
    pub pause: usize,
    /// See [`Weathers::crash`].
    pub restart: usize,
    /// See [`Weathers::crash`].
    pub store_away: usize,
    /// See [`Weathers::crash`].
    pub redis_away: usize,
    /// See [`Weathers::crash`].
    pub answers_away: usize,
    /// See [`Weathers::crash`].
    pub flush: usize,
    /// See [`Weathers::crash`].
    pub answers_lost: usize,
    /// See [`Weathers::crash`].
    pub gap: usize,
    /// See [`Weathers::crash`].
    pub clock: usize,
    /// See [`Weathers::crash`].
    pub store_clock: usize,
    /// See [`Weathers::crash`].
    pub store_back: usize,
    /// See [`Weathers::crash`].
    pub provider: usize,
    /// See [`Weathers::crash`].
    pub withdrawn: usize,
}

impl Setup {
    /// What this seed draws.
    pub fn draw(seed: u64) -> Self {
        let dice = Dice::new(seed, 1);
        let calm = dice.chance(60);
        let plain = dice.chance(120);
        let lifetime = secs(dice.pick(&[15, 20, 30, 60, 60, 120, 300, 300, 600, 3600]));
        let class = class(&dice);
        let settings = if plain { defaults(class, &dice) } else { settings(class, lifetime, &dice) };
        let embedded = dice.chance(150);
        let policy = settings.build().expect("numbers drawn within their bounds");
        let chaos = chaos(&policy, lifetime, &dice);
        let sealed = dice.chance(100);
        let weathers = if calm { Weathers::default() } else { Weathers::draw(&dice) };
        // Where a store forgets, a lease may remember for it.
        let leases = if weathers.store_back > 0 { 500 } else { 900 };
        Self {
            seed,
            replicas: 2 + dice.below(4),
            accounts: dice.pick(&[1, 2, 3, 4, 4, 6]),
            class,
            settings,
            lease: !embedded && dice.chance(leases),
            cache: !embedded && dice.chance(920),
            answers_in_redis: !embedded && dice.chance(600),
            sealed,
            stranger: sealed && dice.chance(400),
            calm,
            lifetime,
            rotation_ends_access: dice.chance(200),
            newest_sibling_only: dice.chance(300),
            unavailable_is_unprocessed: dice.chance(400),
            same_access: dice.chance(150),
            of_what_stays: dice.pick(&[
                OfWhatStays::Repeated,
                OfWhatStays::LeftOut,
                OfWhatStays::Empty,
                OfWhatStays::Null,
            ]),
            distance: Duration::from_millis(dice.pick(&[0, 1, 2, 5])),
            chaos,
            pause: chaos / u32::try_from(60 + dice.below(240)).unwrap_or(60),
            weathers,
        }
    }

    /// The policy.
    ///
    /// # Panics
    /// Never: what is drawn is valid.
    pub fn policy(&self) -> Policy {
        self.settings.build().expect("numbers drawn within their bounds")
    }

    /// Whether this replica does not belong here. The first one does: it logs the accounts in.
    pub fn is_stranger(&self, replica: usize) -> bool {
        self.stranger && replica + 1 == self.replicas
    }

    /// Whether a step of the store's clock can shorten what protects a refresh token.
    pub fn trusts_store_clock(&self) -> bool {
        self.class.is_harmless() || matches!(self.class, Class::Grace(_))
    }
}

fn class(dice: &Dice) -> Class {
    match dice.below(10) {
        0 => Class::NonRotating,
        1 => Class::OldStaysValid,
        2 => Class::Timer(secs(dice.pick(&[20, 90, 400]))),
        3 => Class::Grace(secs(dice.pick(&[10, 30, 60, 120, 300]))),
        4 => Class::UntilUsed,
        5 | 6 => Class::Strict,
        _ => Class::StrictFamily,
    }
}

fn defaults(class: Class, dice: &Dice) -> PolicySettings {
    let in_doubt = dice.pick(&[InDoubt::LastChance, InDoubt::LastChance, InDoubt::AskLogin]);
    PolicySettings { replay: class.replay(), in_doubt, ..PolicySettings::default() }
}

fn settings(class: Class, lifetime: Duration, dice: &Dice) -> PolicySettings {
    let exchange_timeout = Duration::from_millis(dice.pick(&[500, 1000, 2000, 5000, 10_000]));
    let floor = exchange_timeout + (exchange_timeout / 4).min(secs(2));
    let quarantine = dice.chance(700).then(|| dice.span(floor + floor / 5, floor * 3));
    let lease_ttl =
        dice.chance(300).then(|| dice.span(exchange_timeout + exchange_timeout / 10, exchange_timeout * 4));
    let skew = dice.span(Duration::from_millis(500), (lifetime / 6).min(secs(60)));
    let refresh_ahead = skew + dice.span(Duration::from_millis(500), lifetime / 2);
    PolicySettings {
        replay: class.replay(),
        in_doubt: dice.pick(&[InDoubt::LastChance, InDoubt::LastChance, InDoubt::AskLogin]),
        stale: dice.pick(&[Stale::Serve, Stale::Serve, Stale::Serve, Stale::Refuse]),
        exchange_timeout,
        quarantine,
        lease_ttl,
        skew,
        refresh_ahead,
        max_wait: secs(dice.pick(&[0, 0, 1, 3, 8, 8, 20, 60, 120, 300])),
        ..PolicySettings::default()
    }
}

/// Long enough for tokens to end and for doubts to be resolved, short enough for thousands of seeds.
fn chaos(policy: &Policy, lifetime: Duration, dice: &Dice) -> Duration {
    let spans = policy.span() * 3 + lifetime.min(secs(600)) * 2;
    dice.span(secs(30), spans.clamp(secs(60), secs(900)))
}

impl Weathers {
    fn draw(dice: &Dice) -> Self {
        let share = |most: u32| {
            if dice.chance(550) { 1 + u32::try_from(dice.below(most as usize)).unwrap_or(0) } else { 0 }
        };
        let weight = || if dice.chance(500) { 1 + dice.below(4) } else { 0 };
        Self {
            refused: share(60),
            lost_request: share(60),
            lost_reply: share(80),
            late: share(60),
            twice: share(80),
            slow: share(120),
            lost_news: share(400),
            double_news: share(200),
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
            store_clock: usize::from(dice.chance(200)),
            store_back: usize::from(dice.chance(150)),
            provider: weight(),
            withdrawn: weight().min(1),
        }
    }
}

pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}
