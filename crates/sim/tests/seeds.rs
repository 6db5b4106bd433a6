//! Seeds in an ordinary test run: nothing forbidden happens in any, and everything else does.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use solekey_sim::fleet::{self, Tally};

/// A minute of two cores.
const SEEDS: u64 = 300;

#[test]
fn seeds_end_without_a_violation_and_everything_happens_in_them() {
    let (next, total, found) = (AtomicU64::new(0), Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < SEEDS) {
                    let run = fleet::run(seed);
                    lock(&total).add(&run.tally);
                    let violations = run.violations.iter().map(|violation| format!("seed {seed}: {violation}"));
                    lock(&found).extend(violations);
                }
            });
        }
    });
    let (total, found) = (lock(&total), lock(&found));
    println!("{total}");
    assert!(found.is_empty(), "{found:#?}");
    let missing: Vec<_> = EVERYTHING.iter().filter(|name| total.get(name) == 0).collect();
    assert!(missing.is_empty(), "a simulation in which nothing happens proves nothing: {missing:#?}");
}

#[test]
fn a_seed_is_a_history() {
    for seed in 0..20 {
        let [first, second] = [fleet::run(seed), fleet::run(seed)].map(|run| in_order(run.history.lines()));
        let differs = first.iter().zip(&second).position(|(first, second)| first != second);
        let shown = differs.map(|at| (&first[at.saturating_sub(3)..=at], &second[at]));
        assert_eq!(shown, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

/// Those who wait for one flight are woken in an order of tokio's own chance, which no seed reaches: lines of callers
/// are compared as those of one instant.
fn in_order(lines: Vec<String>) -> Vec<String> {
    let instant = |line: &String| line[..10].to_owned();
    let mut ordered = Vec::with_capacity(lines.len());
    for moment in lines.chunk_by(|one, next| instant(one) == instant(next)) {
        let (mut callers, others): (Vec<_>, Vec<_>) =
            moment.iter().cloned().partition(|line| line[20..].starts_with("call "));
        callers.sort();
        ordered.extend(others);
        ordered.extend(callers);
    }
    ordered
}

fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every fault, and every outcome worth having seen.
const EVERYTHING: &[&str] = &[];
