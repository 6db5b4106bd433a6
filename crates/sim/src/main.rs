//! Runs seeds.

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use clap::Parser;
use solekey_sim::fleet::{self, Run, Tally};

/// Solekey under hostile schedules, from seeds.
#[derive(Parser, Debug)]
struct Arguments {
    /// The number of seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Replays this one alone and shows what happened.
    #[arg(long)]
    seed: Option<u64>,
    /// Begins no further seed once one has a violation.
    #[arg(long)]
    first: bool,
    /// Shows how often what happened.
    #[arg(long)]
    tally: bool,
    /// The number of threads; all cores unless given.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let violations = match arguments.seed {
        Some(seed) => replay(seed),
        None => many(&arguments),
    };
    let seeds = arguments.seed.map_or(arguments.seeds, |_| 1);
    println!("seeds {seeds}, violations {violations}");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64) -> usize {
    let Run { setup, history, tally, violations } = fleet::run(seed);
    println!("{setup:#?}");
    for line in history.lines() {
        println!("{line}");
    }
    println!("{tally}");
    for violation in &violations {
        println!("seed {seed}: {violation}");
    }
    violations.len()
}

fn many(arguments: &Arguments) -> usize {
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let (violations, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let threads = arguments.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    // Seeds are taken in their order: whatever comes before one with a violation has begun.
                    if seed >= end || (arguments.first && violations.load(Relaxed) > 0) {
                        break;
                    }
                    let run = fleet::run(seed);
                    for violation in &run.violations {
                        println!("seed {seed}: {violation}");
                    }
                    violations.fetch_add(run.violations.len(), Relaxed);
                    total.lock().unwrap_or_else(PoisonError::into_inner).add(&run.tally);
                }
            });
        }
    });
    if arguments.tally {
        print!("{}", total.lock().unwrap_or_else(PoisonError::into_inner));
    }
    println!("{:.1} s", began.elapsed().as_secs_f64());
    violations.load(Relaxed)
}
