//! Every event, and the lines of the page that it changes; the whole page is compared, but for the buckets.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use solekey::{
    LeaseOutcome, Level, RedisLinkState, RedisPhase, RefreshResult, TokenError,
    core::{Account, Delay, Generation, Outcome, Revocation, ports::WirePhase},
};

use super::*;

const ATTEMPT: Generation = Generation::new(77);

fn page(metrics: &Metrics) -> String {
    metrics.page(&Stats::default(), &Sealing::default(), [("serve", false), ("refresh", false)]).unwrap()
}

/// The lines of `after` that `before` does not have, without `solekey_` and without those of buckets.
fn changed(before: &str, after: &str) -> Vec<String> {
    let before: Vec<_> = before.lines().collect();
    let new = after.lines().filter(|line| !before.contains(line) && line.starts_with("solekey_"));
    let shown = new.map(|line| line.trim_start_matches("solekey_").to_owned());
    shown.filter(|line| !line.contains("_bucket{")).collect()
}

/// Plays an event on a fresh page, twice, and returns what changed each time.
fn played(event: &Event<'_>) -> Vec<String> {
    let metrics = Metrics::of(&["acme".to_owned(), "other".to_owned()]);
    let zero = page(&metrics);
    metrics.on(event);
    let once = page(&metrics);
    let mut lines = changed(&zero, &once);
    metrics.on(event);
    let mut twice = changed(&once, &page(&metrics));
    lines.sort();
    twice.sort();
    let name = |line: &String| line.rsplit_once(' ').unwrap().0.to_owned();
    assert_eq!(lines.iter().map(name).collect::<Vec<_>>(), twice.iter().map(name).collect::<Vec<_>>());
    for series in lines.iter().map(name) {
        let at_zero = [format!("solekey_{series} 0"), format!("solekey_{series} 0.0")];
        assert!(
            zero.lines().any(|line| at_zero.iter().any(|zero| zero == line)),
            "{series} is not there as zero"
        );
    }
    for (once, twice) in lines.iter().zip(&twice) {
        let number = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap();
        assert!((number(twice) - 2.0 * number(once)).abs() < 1e-9, "{once}, then {twice}");
    }
    lines
}

fn assert_changes(event: &Event<'_>, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(played(event), expected, "{event:?}");
}

fn account() -> Account {
    Account::new("acme", "alice").unwrap()
}

#[test]
fn a_presentation_is_counted_by_outcome_and_phase_and_its_seconds_are_added_up() {
    let account = &account();
    let presented = |outcome, phase| Event::Presented {
        account,
        attempt: ATTEMPT,
        outcome,
        phase,
        took: Duration::from_millis(1_500),
        reason: "200",
    };
    let refused = Outcome::Refused { retry_after: None, why: Delay::RateLimited };
    for (outcome, phase, labels) in [
        (Outcome::Success(()), WirePhase::Answered, r#"outcome="success",phase="answered""#),
        (Outcome::OurFault, WirePhase::Answered, r#"outcome="our_fault",phase="answered""#),
        (refused, WirePhase::Answered, r#"outcome="refused",phase="answered""#),
        (Outcome::NonceWanted, WirePhase::Answered, r#"outcome="nonce_wanted",phase="answered""#),
        (Outcome::OtherClient, WirePhase::Answered, r#"outcome="other_client",phase="answered""#),
        (
            Outcome::Permanent(Revocation::Reused),
            WirePhase::Answered,
            r#"outcome="permanent",phase="answered""#,
        ),
        (Outcome::Unread, WirePhase::Answered, r#"outcome="unread",phase="answered""#),
        (Outcome::Ambiguous, WirePhase::Answered, r#"outcome="ambiguous",phase="answered""#),
        (Outcome::Ambiguous, WirePhase::Unanswered, r#"outcome="ambiguous",phase="unanswered""#),
    ] {
        assert_changes(
            &presented(outcome, phase),
            &[
                r#"exchange_seconds_sum{provider="acme"} 1.5"#,
                r#"exchange_seconds_count{provider="acme"} 1"#,
                &format!(r#"presentations_total{{provider="acme",{labels}}} 1"#),
            ],
        );
    }
    for outcome in [Outcome::NotSent, Outcome::Withheld(Delay::OurFault)] {
        let unsent = [r#"unsent_exchanges_total{provider="acme"} 1"#];
        assert_changes(&presented(outcome, WirePhase::Unsent), &unsent);
    }
    assert_changes(&Event::Presenting { account, attempt: ATTEMPT }, &[]);
}

#[test]
fn what_becomes_of_an_attempt_is_counted_by_provider_and_reason() {
    let account = &account();
    let generation = ATTEMPT;
    for (event, line) in [
        (Event::Committed { account, generation }, "commits_total"),
        (Event::Recovered { account, generation }, "answers_recovered_total"),
        (Event::InDoubt { account, attempt: ATTEMPT }, "attempts_in_doubt_total"),
    ] {
        assert_changes(&event, &[&format!(r#"{line}{{provider="acme"}} 1"#)]);
    }
    for why in DELAYS {
        let event = Event::CoolingDown { account, generation, span: Duration::from_secs(9), why };
        assert_changes(&event, &[&format!(r#"cooldowns_total{{provider="acme",why="{}"}} 1"#, why.name())]);
    }
    for (why, name) in [
        (Revocation::Refused, "refused"),
        (Revocation::Reused, "reused"),
        (Revocation::Expired, "expired"),
        (Revocation::NoRefreshToken, "no_refresh_token"),
        (Revocation::InDoubt, "in_doubt"),
        (Revocation::RotatedElsewhere, "rotated_elsewhere"),
        (Revocation::AnswerLost, "answer_lost"),
        (Revocation::AnswerUnread, "answer_unread"),
    ] {
        let event = Event::LoginNeeded { account, generation, why };
        assert_changes(&event, &[&format!(r#"accounts_revoked_total{{provider="acme",why="{name}"}} 1"#)]);
    }
    for (outcome, name) in [
        (LeaseOutcome::Granted, "granted"),
        (LeaseOutcome::Busy, "busy"),
        (LeaseOutcome::Unreachable, "unreachable"),
    ] {
        let event = Event::Leased { account, outcome };
        assert_changes(&event, &[&format!(r#"leases_total{{provider="acme",outcome="{name}"}} 1"#)]);
    }
}

#[test]
fn a_request_is_counted_by_what_it_got() {
    let account = &account();
    for (level, name) in [
        (Level::Process, "process"),
        (Level::Redis, "redis"),
        (Level::Store, "store"),
        (Level::Refresh, "refresh"),
    ] {
        let served = format!(r#"tokens_served_total{{provider="acme",level="{name}"}} 1"#);
        assert_changes(&Event::Served { account, level, stale: false }, &[&served]);
        let stale = r#"stale_tokens_served_total{provider="acme"} 1"#;
        assert_changes(&Event::Served { account, level, stale: true }, &[stale, &served]);
    }
    let retry = |why| TokenError::RetryAt { at: SystemTime::UNIX_EPOCH, why, answered: None };
    let mut refusals: Vec<_> = DELAYS.map(|why| (retry(why), why.name())).into();
    refusals.extend([
        (TokenError::LogIn { why: Revocation::Refused }, "login_needed"),
        (TokenError::Configuration { field: "seal.key".into(), expected: "a key".into() }, "configuration"),
        (TokenError::UnknownAccount, "unknown_account"),
        (TokenError::ShuttingDown, "shutting_down"),
    ]);
    for (error, why) in &refusals {
        let line = format!(r#"requests_refused_total{{provider="acme",why="{why}"}} 1"#);
        assert_changes(&Event::Refused { account, error }, &[&line]);
    }
    let waited = Duration::from_millis(250);
    let lines = [r#"wait_seconds_sum{provider="acme"} 0.25"#, r#"wait_seconds_count{provider="acme"} 1"#];
    assert_changes(&Event::Waited { account, waited }, &lines);
}

#[test]
fn background_work_is_counted_by_its_result_and_timed_where_it_refreshed() {
    let account = &account();
    let due = Event::Due { provider: "acme", accounts: 3 };
    assert_changes(&due, &[r#"accounts_due_total{provider="acme"} 3"#]);
    let (waited, late) = (Duration::from_millis(500), Duration::from_secs(20));
    let ended = |end| Event::RefreshResult { account, end, waited, late };
    for why in DELAYS {
        let line = format!(r#"refresh_jobs_total{{provider="acme",outcome="{}"}} 1"#, why.name());
        assert_changes(&ended(RefreshResult::PutOff(why)), &[&line]);
    }
    for (end, name) in [
        (RefreshResult::Fresh, "fresh"),
        (RefreshResult::Recovered, "recovered"),
        (RefreshResult::PutOff(Delay::InFlight), "in_flight"),
        (RefreshResult::PutOff(Delay::StoreDown), "store_down"),
        (RefreshResult::LoginNeeded, "login_needed"),
        (RefreshResult::Gone, "gone"),
        (RefreshResult::StartTimeout, "start_timeout"),
        (RefreshResult::ProviderPaused, "provider_paused"),
        (RefreshResult::Misconfigured, "configuration"),
        (RefreshResult::Panicked, "panicked"),
    ] {
        let line = format!(r#"refresh_jobs_total{{provider="acme",outcome="{name}"}} 1"#);
        assert_changes(&ended(end), &[&line]);
    }
    assert_changes(
        &ended(RefreshResult::Refreshed),
        &[
            r#"refresh_jobs_total{provider="acme",outcome="refreshed"} 1"#,
            r#"refresh_lag_seconds_count{provider="acme"} 1"#,
            r#"refresh_lag_seconds_sum{provider="acme"} 20.0"#,
            r#"start_wait_seconds_count{provider="acme"} 1"#,
            r#"start_wait_seconds_sum{provider="acme"} 0.5"#,
        ],
    );
}

#[test]
fn each_gauge_shows_its_own_figure() {
    let metrics = Metrics::of(&["acme".to_owned()]);
    let mut stats = Stats::default();
    (stats.flights, stats.waiting, stats.watched) = (3, 5, 7);
    stats.unread_providers = 37;
    let mut sealing = Sealing::default();
    (sealing.walks, sealing.unopened, sealing.unread) = (11, 13, 17);
    sealing.left.extend([("k0".to_owned(), 19), ("clear".to_owned(), 23)]);
    let zero = page(&metrics);
    metrics.set_files_in_trouble("acme", 31);
    for (phase, state) in
        [(RedisPhase::Up, "up"), (RedisPhase::Reconnecting, "reconnecting"), (RedisPhase::Down, "down")]
    {
        stats.redis = Some(RedisLinkState { phase, epoch: 29 });
        let mut lines =
            changed(&zero, &metrics.page(&stats, &sealing, [("serve", true), ("refresh", false)]).unwrap());
        lines.sort();
        assert_eq!(
            lines,
            [
                "accounts_watched 7",
                "flights 3",
                r#"mirrored_files_in_trouble{provider="acme"} 31"#,
                r#"ready{what="serve"} 1"#,
                &format!(r#"redis_link_state{{state="{state}"}} 1"#),
                "redis_link_ups_total 29",
                "requests_waiting 5",
                "reseal_walks_total 11",
                "unread_providers 37",
                r#"values_to_reseal{key="clear"} 23"#,
                r#"values_to_reseal{key="k0"} 19"#,
                "values_unopened 13",
            ]
        );
    }
}

#[test]
fn buckets_are_in_seconds_and_reach_from_the_usual_to_the_longest() {
    let zero = page(&Metrics::of(&["acme".to_owned()]));
    let mut buckets = BTreeMap::<_, Vec<_>>::new();
    for line in zero.lines() {
        let Some((name, labels)) = line.split_once("_bucket{le=\"") else { continue };
        buckets.entry(name).or_default().push(labels.split_once('"').unwrap().0);
    }
    let buckets: Vec<_> =
        buckets.into_iter().map(|(name, bounds)| format!("{name} {}", bounds.join(" "))).collect();
    assert_eq!(
        buckets,
        [
            "solekey_exchange_seconds 0.025 0.05 0.1 0.25 0.5 1.0 2.5 10.0 30.0 120.0 +Inf",
            "solekey_refresh_lag_seconds 1.0 5.0 15.0 60.0 120.0 300.0 600.0 3600.0 +Inf",
            "solekey_start_wait_seconds 0.01 0.1 0.25 0.5 1.0 2.5 10.0 30.0 60.0 +Inf",
            "solekey_wait_seconds 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.5 10.0 30.0 +Inf",
        ]
    );
}

#[test]
fn each_series_is_of_the_provider_that_its_event_is_about() {
    let metrics = Metrics::of(&["acme".to_owned(), "other".to_owned()]);
    let zero = page(&metrics);
    let theirs = Account::new("other", "alice").unwrap();
    metrics.on(&Event::Committed { account: &theirs, generation: ATTEMPT });
    metrics.on(&Event::Served { account: &theirs, level: Level::Process, stale: false });
    metrics.on(&Event::Due { provider: "other", accounts: 1 });
    let mut lines = changed(&zero, &page(&metrics));
    lines.sort();
    assert_eq!(
        lines,
        [
            r#"accounts_due_total{provider="other"} 1"#,
            r#"commits_total{provider="other"} 1"#,
            r#"tokens_served_total{provider="other",level="process"} 1"#,
        ]
    );
}

const DELAYS: [Delay; 12] = [
    Delay::Unread,
    Delay::InFlight,
    Delay::InDoubt,
    Delay::RateLimited,
    Delay::ProviderDown,
    Delay::Unreachable,
    Delay::OurFault,
    Delay::StoreDown,
    Delay::JustRefreshed,
    Delay::NewerFormat,
    Delay::RejectedAgain,
    Delay::ShuttingDown,
];
