//! The choice of interleavings to run, and their number.

use std::{env, str::FromStr};

use shuttle::{
    Config, Runner,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler},
};

/// Runs the scenario under schedules drawn at random, and under some that switch seldom but where it hurts.
///
/// The draw is the same in every run; `SOLEKEY_INTERLEAVINGS_SEED` draws others, `SOLEKEY_INTERLEAVINGS` more.
pub(crate) fn sample(scenario: fn()) {
    sample_fair(scenario);
    run("with few switches", PctScheduler::new_from_seed(seed(), FEW_SWITCHES, samples()), scenario);
}

/// Draws schedules at random only, for scenarios in which threads park: to the checker a parked thread may wake up at
/// any time, and a schedule with few switches lets nobody else go on meanwhile.
pub(crate) fn sample_fair(scenario: fn()) {
    run("at random", RandomScheduler::new_from_seed(seed(), samples()), scenario);
}

/// Runs a small scenario under every schedule there is.
pub(crate) fn every(scenario: fn()) {
    let count = run("every one", DfsScheduler::new(Some(MOST), true), scenario);
    assert!(count < MOST, "more than {MOST} interleavings: not every one was run");
}

fn run(which: &str, scheduler: impl Scheduler + 'static, scenario: fn()) -> usize {
    let mut config = Config::new();
    // Orderings weaker than sequential consistency are not explored: the locks order what matters here.
    config.silence_warnings = true;
    let count = Runner::new(scheduler, config).run(scenario);
    assert!(count > 0, "no interleaving was run");
    println!("{count} interleavings, {which}");
    count
}

fn seed() -> u64 {
    number("SOLEKEY_INTERLEAVINGS_SEED").unwrap_or(SEED)
}

fn samples() -> usize {
    number("SOLEKEY_INTERLEAVINGS").unwrap_or(SAMPLES)
}

fn number<T: FromStr>(variable: &str) -> Option<T> {
    let given = env::var(variable).ok()?;
    Some(given.parse().unwrap_or_else(|_| panic!("{variable}: a number is expected")))
}

/// With each scheduler; a few seconds for the slowest scenario.
const SAMPLES: usize = 50_000;
/// Bugs that need more switches than this in one place are rare.
const FEW_SWITCHES: usize = 4;
/// A scenario with more of them is not small.
const MOST: usize = 2_000_000;
const SEED: u64 = 1;
