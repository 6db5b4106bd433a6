//! Counters of the events since the start.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use solekey::{
    Event, LeaseOutcome, Level, TokenError,
    core::{Delay, Outcome, Revocation, ports::WirePhase},
};

use super::background::Background;
use super::labels::{ByLevel, ByOutcome, ByOutcomeAndPhase, ByProvider, ByReason, Name};

/// Counts events.
pub(super) struct Counters {
    providers: Vec<Provider>,
    presentations: Family<ByOutcomeAndPhase, Counter>,
    unsent: Family<ByProvider, Counter>,
    exchanges: Family<ByProvider, Histogram, fn() -> Histogram>,
    commits: Family<ByProvider, Counter>,
    recovered: Family<ByProvider, Counter>,
    in_doubt: Family<ByProvider, Counter>,
    cooldowns: Family<ByReason, Counter>,
    revoked: Family<ByReason, Counter>,
    leases: Family<ByOutcome, Counter>,
    served: Family<ByLevel, Counter>,
    stale: Family<ByProvider, Counter>,
    refused: Family<ByReason, Counter>,
    waits: Family<ByProvider, Histogram, fn() -> Histogram>,
    background: Background,
}

/// A configured provider, and what is counted so often that it is not searched each time.
struct Provider {
    name: Name,
    served_from_memory: Counter,
}

impl Counters {
    pub(super) fn register(registry: &mut Registry, providers: &[String]) -> Self {
        let mut counters = Self {
            providers: Vec::new(),
            presentations: Family::default(),
            unsent: Family::default(),
            exchanges: Family::new_with_constructor(|| Histogram::new(EXCHANGE_BUCKETS)),
            commits: Family::default(),
            recovered: Family::default(),
            in_doubt: Family::default(),
            cooldowns: Family::default(),
            revoked: Family::default(),
            leases: Family::default(),
            served: Family::default(),
            stale: Family::default(),
            refused: Family::default(),
            waits: Family::new_with_constructor(|| Histogram::new(WAIT_BUCKETS)),
            background: Background::register(registry),
        };
        counters.declare(registry);
        for name in providers {
            counters.begin_at_zero(name);
        }
        counters
    }

    fn declare(&self, registry: &mut Registry) {
        let Self {
            providers: _,
            presentations,
            unsent,
            exchanges,
            commits,
            recovered,
            in_doubt,
            cooldowns,
            revoked,
            leases,
            served,
            stale,
            refused,
            waits,
            background: _,
        } = self;
        registry.register("presentations", "Refresh tokens presented", presentations.clone());
        registry.register("unsent_exchanges", "Exchanges of which nothing left the process", unsent.clone());
        registry.register_with_unit(
            "exchange",
            "Duration of presentations, from before the connection was opened to the last byte of the \
             response",
            Unit::Seconds,
            exchanges.clone(),
        );
        registry.register(
            "commits",
            "Rotated pairs put into the row by the process that got them",
            commits.clone(),
        );
        registry.register(
            "answers_recovered",
            "Rotated pairs whose owner was gone before the row had them, found among the answers and \
             put into the row",
            recovered.clone(),
        );
        registry.register(
            "attempts_in_doubt",
            "Attempts found past their time without an answer",
            in_doubt.clone(),
        );
        registry.register("cooldowns", "Refreshes postponed by a verdict in the row", cooldowns.clone());
        registry.register(
            "accounts_revoked",
            "Grants ended: accounts whose row shows that only a login helps",
            revoked.clone(),
        );
        registry.register("leases", "Leases requested", leases.clone());
        registry.register(
            "tokens_served",
            "Requests that got a token, by where it was found",
            served.clone(),
        );
        registry.register(
            "stale_tokens_served",
            "Requests that got a valid token whose refresh was overdue",
            stale.clone(),
        );
        registry.register("requests_refused", "Requests that got no token", refused.clone());
        registry.register_with_unit(
            "wait",
            "Duration of requests that were not served from the process cache",
            Unit::Seconds,
            waits.clone(),
        );
    }

    fn begin_at_zero(&mut self, name: &str) {
        let name: Name = name.into();
        let one = |provider: &Name| ByProvider { provider: Name::clone(provider) };
        for family in [&self.unsent, &self.commits, &self.recovered, &self.in_doubt, &self.stale] {
            let _ = family.get_or_create(&one(&name));
        }
        let _ = (self.exchanges.get_or_create(&one(&name)), self.waits.get_or_create(&one(&name)));
        for (outcome, phase) in PRESENTATIONS {
            let _ = self.presentations.get_or_create(&presentation(&name, outcome, phase));
        }
        for why in DELAYS {
            let _ = self.cooldowns.get_or_create(&reason(&name, why.name()));
            let _ = self.refused.get_or_create(&reason(&name, why.name()));
        }
        for why in [LOGIN_NEEDED, CONFIGURATION, UNKNOWN_ACCOUNT] {
            let _ = self.refused.get_or_create(&reason(&name, why));
        }
        for why in REVOCATIONS {
            let _ = self.revoked.get_or_create(&reason(&name, why.name()));
        }
        for outcome in [LeaseOutcome::Granted, LeaseOutcome::Busy, LeaseOutcome::Unreachable] {
            let _ = self.leases.get_or_create(&lease(&name, outcome));
        }
        for of in [Level::Process, Level::Redis, Level::Store, Level::Refresh] {
            let _ = self.served.get_or_create(&level(&name, of));
        }
        self.background.begin_at_zero(&name);
        let served_from_memory = self.served.get_or_create_owned(&level(&name, Level::Process));
        self.providers.push(Provider { name, served_from_memory });
    }

    pub(super) fn count(&self, event: &Event<'_>) {
        match event {
            Event::Presented { account, outcome, phase, took, .. } => {
                self.with(account, |of| self.presented(&of.name, *outcome, *phase, *took));
            }
            Event::Committed { account, .. } => self.one_more(&self.commits, account),
            Event::Recovered { account, .. } => self.one_more(&self.recovered, account),
            Event::InDoubt { account, .. } => self.one_more(&self.in_doubt, account),
            Event::CoolingDown { account, why, .. } => {
                self.one_more_for(&self.cooldowns, account, why.name());
            }
            Event::LoginNeeded { account, why, .. } => self.one_more_for(&self.revoked, account, why.name()),
            Event::Leased { account, outcome } => self.with(account, |of| {
                self.leases.get_or_create(&lease(&of.name, *outcome)).inc();
            }),
            Event::Served { account, level, stale } => self.served(account, *level, *stale),
            Event::Refused { account, error } => self.one_more_for(&self.refused, account, refusal(error)),
            Event::Waited { account, waited } => self.with(account, |of| {
                let labels = ByProvider { provider: Name::clone(&of.name) };
                self.waits.get_or_create(&labels).observe(waited.as_secs_f64());
            }),
            Event::Due { provider, accounts } => {
                if let Some(of) = self.providers.iter().find(|of| *of.name == **provider) {
                    self.background.taken(&of.name, *accounts);
                }
            }
            Event::RefreshResult { account, end, waited, late } => {
                self.with(account, |of| self.background.refresh_result(&of.name, *end, *waited, *late));
            }
            // It is counted once its end is known.
            _ => {}
        }
    }

    fn presented(&self, name: &Name, outcome: Outcome<()>, phase: WirePhase, took: Duration) {
        let provider = ByProvider { provider: Name::clone(name) };
        if phase == WirePhase::Unsent {
            self.unsent.get_or_create(&provider).inc();
            return;
        }
        self.presentations.get_or_create(&presentation(name, outcome, phase)).inc();
        self.exchanges.get_or_create(&provider).observe(took.as_secs_f64());
    }

    fn served(&self, account: &solekey::core::Account, of: Level, stale: bool) {
        self.with(account, |provider| {
            if of == Level::Process {
                provider.served_from_memory.inc();
            } else {
                self.served.get_or_create(&level(&provider.name, of)).inc();
            }
        });
        if stale {
            self.one_more(&self.stale, account);
        }
    }

    /// A provider that is not configured has no series: nobody outside decides how many there are.
    fn with(&self, account: &solekey::core::Account, count: impl FnOnce(&Provider)) {
        if let Some(provider) = self.providers.iter().find(|of| *of.name == *account.provider()) {
            count(provider);
        }
    }

    fn one_more(&self, family: &Family<ByProvider, Counter>, account: &solekey::core::Account) {
        self.with(account, |of| {
            family.get_or_create(&ByProvider { provider: Name::clone(&of.name) }).inc();
        });
    }

    fn one_more_for(
        &self,
        family: &Family<ByReason, Counter>,
        account: &solekey::core::Account,
        why: &'static str,
    ) {
        self.with(account, |of| {
            family.get_or_create(&reason(&of.name, why)).inc();
        });
    }
}

fn presentation(name: &Name, outcome: Outcome<()>, phase: WirePhase) -> ByOutcomeAndPhase {
    ByOutcomeAndPhase { provider: Name::clone(name), outcome: outcome.name(), phase: phase.name() }
}

fn reason(name: &Name, why: &'static str) -> ByReason {
    ByReason { provider: Name::clone(name), why }
}

fn lease(name: &Name, outcome: LeaseOutcome) -> ByOutcome {
    let outcome = match outcome {
        LeaseOutcome::Granted => "granted",
        LeaseOutcome::Busy => "busy",
        LeaseOutcome::Unreachable => "unreachable",
    };
    ByOutcome { provider: Name::clone(name), outcome }
}

fn level(name: &Name, level: Level) -> ByLevel {
    let level = match level {
        Level::Process => "process",
        Level::Redis => "redis",
        Level::Store => "store",
        Level::Refresh => "refresh",
    };
    ByLevel { provider: Name::clone(name), level }
}

fn refusal(error: &TokenError) -> &'static str {
    match error {
        TokenError::RetryAt { why, .. } => why.name(),
        TokenError::LogIn { .. } => LOGIN_NEEDED,
        TokenError::Configuration { .. } => CONFIGURATION,
        TokenError::UnknownAccount => UNKNOWN_ACCOUNT,
        TokenError::ShuttingDown => Delay::ShuttingDown.name(),
        _ => "other",
    }
}

const LOGIN_NEEDED: &str = "login_needed";
const CONFIGURATION: &str = "configuration";
const UNKNOWN_ACCOUNT: &str = "unknown_account";
/// The results of presentations: a success always has a response, and a presentation without one is ambiguous.
const PRESENTATIONS: [(Outcome<()>, WirePhase); 9] = [
    (Outcome::Success(()), WirePhase::Answered),
    (Outcome::OurFault, WirePhase::Answered),
    (Outcome::Refused { retry_after: None, why: Delay::ProviderDown }, WirePhase::Answered),
    (Outcome::NonceWanted, WirePhase::Answered),
    (Outcome::OtherClient, WirePhase::Answered),
    (Outcome::Permanent(Revocation::Refused), WirePhase::Answered),
    (Outcome::Unread, WirePhase::Answered),
    (Outcome::Ambiguous, WirePhase::Answered),
    (Outcome::Ambiguous, WirePhase::Unanswered),
];
pub(super) const DELAYS: [Delay; 12] = [
    Delay::InFlight,
    Delay::InDoubt,
    Delay::RateLimited,
    Delay::ProviderDown,
    Delay::Unreachable,
    Delay::OurFault,
    Delay::Unread,
    Delay::StoreDown,
    Delay::JustRefreshed,
    Delay::NewerFormat,
    Delay::RejectedAgain,
    Delay::ShuttingDown,
];
const REVOCATIONS: [Revocation; 8] = [
    Revocation::Refused,
    Revocation::Reused,
    Revocation::Expired,
    Revocation::NoRefreshToken,
    Revocation::InDoubt,
    Revocation::RotatedElsewhere,
    Revocation::AnswerLost,
    Revocation::AnswerUnread,
];
/// In seconds: from a read of the shared cache to the longest `max_wait` that people choose.
const WAIT_BUCKETS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// In seconds: from a good provider to the longest exchange timeout.
const EXCHANGE_BUCKETS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];
