//! A token in this process' memory.

use std::{
    future::Future as _,
    hint::black_box,
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures_util::task::noop_waker_ref;
use solekey::Solekey;
use solekey_core::{Account, AccountKey};

use crate::{
    cpu::thread_time,
    effort::Effort,
    replica::{Endpoint, account, document, over_memory, token},
    rounds::{Pairs, in_turn, median},
    table::{Bound, Row, rate, time},
};

pub(crate) const NAME: &str = "hit";

pub(crate) async fn run(effort: &Effort) -> Result<Vec<Row>> {
    let replica = over_memory(&Endpoint::new())?.build().await?;
    let accounts: Vec<Account> = (0..ACCOUNTS).map(account).collect();
    for (number, account) in accounts.iter().enumerate() {
        replica.login(account, &document(number, HOUR), false).await?;
    }
    for account in &accounts {
        replica.token(account).await?;
    }
    let ours = Ours { replica: replica.clone(), accounts };
    let peers = Peers::new();
    let mut rows = Vec::new();
    rows.push(bare(effort, &ours, &peers).await?);
    rows.push(moka(effort, &ours, &peers).await?);
    rows.push(allocations(&ours)?);
    rows.push(two_threads(effort, &ours, &peers));
    replica.shutdown(Duration::from_secs(1)).await;
    Ok(rows)
}

async fn bare(effort: &Effort, ours: &Ours, peers: &Peers) -> Result<Row> {
    let (lookups, rounds) = (effort.lookups, effort.rounds);
    let papaya = in_turn(rounds, async || Ok(peers.papaya(lookups)), async || Ok(ours.run(lookups))).await?;
    let quick = in_turn(rounds, async || Ok(peers.quick(lookups)), async || Ok(ours.run(lookups))).await?;
    let (name, slower): (_, &Pairs) =
        if papaya.peer() > quick.peer() { ("papaya", &papaya) } else { ("quick_cache", &quick) };
    let compared = format!("papaya {}, quick_cache {}", time(papaya.peer()), time(quick.peer()));
    let what = format!("token() compared with a bare lookup, an Arc and the time; ratio to {name}");
    Ok(Row::bounded(NAME, what, time(slower.ours()), compared, slower.ratio(), Bound::AtMost(1.5)))
}

async fn moka(effort: &Effort, ours: &Ours, peers: &Peers) -> Result<Row> {
    let lookups = effort.lookups;
    let pairs =
        in_turn(effort.rounds, async || Ok(peers.moka(lookups)), async || Ok(ours.run(lookups))).await?;
    // The least that any code could do that finds an account, counts an owner and reads the time.
    let least =
        in_turn(effort.rounds, async || Ok(peers.moka(lookups)), async || Ok(peers.quick(lookups))).await?;
    let (ratio, limit, bound) = (1.0 / pairs.ratio(), 1.0 / least.ratio(), Bound::AtLeast(5.0));
    let compared = format!("moka with time to live {}", time(pairs.peer()));
    let row = Row::bounded(NAME, "token() faster than moka", time(pairs.ours()), compared, ratio, bound);
    Ok(row.within(ratio, limit, bound, "a bare quick_cache lookup is"))
}

fn allocations(ours: &Ours) -> Result<Row> {
    let counted = allocation_counter::measure(|| {
        ours.run(COUNTED);
    });
    ensure!(allocation_counter::measure(|| drop(black_box(Box::new(1)))).count_total == 1, "nothing counts");
    let per_hit = counted.count_total as f64 / COUNTED as f64;
    let what = "allocations per token()";
    Ok(Row::bounded(NAME, what, format!("{per_hit}"), "", per_hit, Bound::AtMost(0.0)))
}

fn two_threads(effort: &Effort, ours: &Ours, peers: &Peers) -> Row {
    let lookups = effort.lookups;
    let mut scalings = [Vec::new(), Vec::new(), Vec::new()];
    let mut both = Vec::new();
    for _ in 0..effort.rounds {
        let papaya = || peers.papaya(lookups);
        let quick = || peers.quick(lookups);
        let token = || ours.run(lookups);
        scalings[0].push(papaya() * together(papaya));
        scalings[1].push(quick() * together(quick));
        let alone = token();
        let two = together(token);
        both.push(two);
        scalings[2].push(alone * two);
    }
    let [papaya, quick, token] = scalings.map(median);
    // How much faster two threads are at all is the machine's affair, hence the comparison.
    let ours = format!("{token:.2}x, {}", rate(median(both)));
    let compared = format!("papaya {papaya:.2}x, quick_cache {quick:.2}x");
    let what = "two threads compared with one, the same accounts; ratio to the lower";
    Row::bounded(NAME, what, ours, compared, token / papaya.min(quick), Bound::AtLeast(0.9))
}

/// Lookups per second of two threads that do the same at once.
fn together(work: impl Fn() -> f64 + Sync) -> f64 {
    let start = Barrier::new(2);
    let per_sec = thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| {
                start.wait();
                1.0 / work()
            })
        });
        threads.map(|thread| thread.join().unwrap_or(0.0))
    });
    per_sec.iter().sum()
}

/// Our side.
struct Ours {
    replica: Solekey,
    accounts: Vec<Account>,
}

impl Ours {
    /// Seconds per hit.
    fn run(&self, lookups: usize) -> f64 {
        timed(lookups, |number| {
            let hit = pin!(self.replica.token(&self.accounts[number]));
            let hit = hit.poll(&mut Context::from_waker(noop_waker_ref()));
            assert!(matches!(black_box(hit), Poll::Ready(Ok(_))), "a hit");
        })
    }
}

/// The same accounts in maps and caches of others.
struct Peers {
    keys: Vec<AccountKey>,
    papaya: papaya::HashMap<AccountKey, Arc<Entry>>,
    quick: quick_cache::sync::Cache<AccountKey, Arc<Entry>>,
    moka: moka::sync::Cache<AccountKey, Arc<Entry>>,
}

struct Entry {
    _token: String,
    until: Instant,
}

impl Peers {
    fn new() -> Self {
        let keys: Vec<AccountKey> = (0..ACCOUNTS).map(|number| account(number).key()).collect();
        let papaya = papaya::HashMap::new();
        let quick = quick_cache::sync::Cache::new(CAPACITY);
        let moka = moka::sync::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(HOUR).build();
        for (number, key) in keys.iter().enumerate() {
            let held = Arc::new(Entry { _token: token(number), until: Instant::now() + HOUR });
            papaya.pin().insert(*key, Arc::clone(&held));
            quick.insert(*key, Arc::clone(&held));
            moka.insert(*key, held);
        }
        Self { keys, papaya, quick, moka }
    }

    fn papaya(&self, lookups: usize) -> f64 {
        timed(lookups, |number| {
            let held = self.papaya.pin().get(&self.keys[number]).map(Arc::clone);
            assert!(held.is_some_and(is_alive), "a hit");
        })
    }

    fn quick(&self, lookups: usize) -> f64 {
        timed(lookups, |number| {
            let held = self.quick.get(&self.keys[number]);
            assert!(held.is_some_and(is_alive), "a hit");
        })
    }

    /// It reads the clock by itself.
    fn moka(&self, lookups: usize) -> f64 {
        timed(lookups, |number| {
            let held = self.moka.get(&self.keys[number]);
            assert!(black_box(held).is_some(), "a hit");
        })
    }
}

fn is_alive(held: Arc<Entry>) -> bool {
    black_box(held).until > Instant::now()
}

/// Seconds per lookup, over accounts in an order that no prefetcher guesses.
fn timed(lookups: usize, mut read: impl FnMut(usize)) -> f64 {
    let mut number = 0;
    let began = thread_time();
    for _ in 0..lookups {
        number = (number * 5 + 3) % ACCOUNTS;
        read(number);
    }
    thread_time().saturating_sub(began).as_secs_f64() / lookups as f64
}

/// Accounts in use by one process at a time; a power of two, so that the order above meets all of them.
const ACCOUNTS: usize = 1024;
const CAPACITY: usize = 100_000;
const COUNTED: usize = 10_000;
const HOUR: Duration = Duration::from_hours(1);
