//! Seeds in an ordinary test run: nothing forbidden happens in any, and everything else does.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use solekey_sim::fleet::{self, Tally};

/// Some seconds of two cores.
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
                    let violations =
                        run.violations.iter().map(|violation| format!("seed {seed}: {violation}"));
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
    for seed in 0..SAME_OF {
        let [first, second] = [fleet::run(seed), fleet::run(seed)].map(|run| run.history.lines());
        if let Some(at) = first.iter().zip(&second).position(|(first, second)| first != second) {
            panic!("seed {seed}: {:#?}", [&first[at.saturating_sub(2)..=at], &second[at..=at]]);
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

const SAME_OF: u64 = 100;

fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every fault, and every outcome worth having seen.
const EVERYTHING: &[&str] = &[
    "answer overtaken",
    "answer written",
    "asked: Delete",
    "asked: FalselyRejected",
    "asked: LoginAcceptSpent",
    "asked: LoginOther",
    "asked: LoginSame",
    "asked: LoginSpent",
    "asked: Refresh",
    "asked: Rejected",
    "asked: StaleString",
    "asked: State",
    "asked: Token",
    "at rest: fresh",
    "at rest: gone",
    "at rest: log in",
    "caller dropped",
    "claim",
    "claim over a doubt",
    "claim: late",
    "claim: moved",
    "claim: repeated",
    "commit",
    "commit: moved",
    "commit: repeated",
    "crash",
    "delete",
    "fault: answers: late",
    "fault: answers: refused",
    "fault: answers: reply lost",
    "fault: answers: request lost",
    "fault: answers: twice",
    "fault: endpoint: 302",
    "fault: endpoint: 403 page",
    "fault: endpoint: 429",
    "fault: endpoint: 500 after processing",
    "fault: endpoint: 500 before processing",
    "fault: endpoint: 503",
    "fault: endpoint: 503 after processing",
    "fault: endpoint: answer lost",
    "fault: endpoint: invalid_client",
    "fault: endpoint: lost before processing",
    "fault: endpoint: no usable expires_in",
    "fault: endpoint: not sent",
    "fault: endpoint: odd expires_in",
    "fault: endpoint: processed after the timeout",
    "fault: endpoint: slow",
    "fault: endpoint: slow answer",
    "fault: endpoint: truncated",
    "fault: endpoint: wants a nonce",
    "fault: lease: refused",
    "fault: lease: reply lost",
    "fault: lease: request lost",
    "fault: cache: lost",
    "fault: cache: refused",
    "fault: cache: reply lost",
    "fault: cache: request lost",
    "fault: cache: twice",
    "fault: store: late",
    "fault: store: refused",
    "fault: store: reply lost",
    "fault: store: request lost",
    "fault: store: twice",
    "lease granted",
    "login",
    "login: already presented",
    "nemesis: answers away",
    "nemesis: answers lost",
    "nemesis: clock ahead",
    "nemesis: grant withdrawn",
    "nemesis: leases lost",
    "nemesis: provider does not know our client",
    "nemesis: provider down",
    "nemesis: provider wants a nonce",
    "nemesis: redis away",
    "nemesis: shared cache lost",
    "nemesis: store away",
    "nemesis: store clock ahead",
    "nemesis: store clock back",
    "nemesis: store went back",
    "nemesis: subscriptions broken",
    "nemesis: wall ahead",
    "nemesis: wall back",
    "pair heard",
    "pause",
    "presented: Burned",
    "presented: Refused",
    "presented: Renewed",
    "presented: Replayed",
    "presented: Rotated",
    "presented: Spent",
    "presented: not processed",
    "published: gone",
    "published: token",
    "published: verdict",
    "settle",
    "shutdown",
    "answered: does not belong here",
    "answered: log in, the outcome of a refresh stayed in doubt",
    "answered: log in, the provider refused the refresh token",
    "answered: retry, a refresh is under way",
    "answered: retry, the outcome of a refresh is in doubt",
    "answered: retry, the provider does not accept our client credentials",
    "answered: retry, the provider is unavailable",
    "answered: retry, the resource rejects a freshly refreshed token",
    "answered: retry, the store is unavailable",
    "answered: shutting down",
    "answered: stale token",
    "answered: token",
    "answered: unknown",
    "verdict: log in",
];
