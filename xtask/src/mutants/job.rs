//! Runs of tests and of the simulation, with all mutants asleep and with one awake.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use anyhow::{Context, Result, ensure};

use super::{
    build::{Binaries, SEEDS},
    table::{Catch, Mutant},
};
use crate::program::{self, Run};

/// Seeds in which a mutant has to be noticed: as many as an ordinary search for bugs takes.
const MOST_SEEDS: u64 = 1000;
/// Seconds. Tests are bounded by themselves; this is for a mutant that never ends.
const LIMIT: &str = "600";

/// The jobs that have to be run.
pub(crate) struct Jobs<'a> {
    jobs: Vec<Job<'a>>,
    binaries: Binaries,
    logs: PathBuf,
    /// True if there is a program that ends another one after a time.
    has_timeout: bool,
}

/// A mutant, and one of those that have to notice it.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) mutant: &'a Mutant,
    pub(crate) by: By<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Tests(&'a Catch),
    Seeds,
}

/// The tests or seeds that noticed a mutant, or the reason why nothing did.
pub(crate) type Verdict = Result<String, String>;

impl<'a> Jobs<'a> {
    pub(crate) fn new(mutants: &[&'a Mutant], binaries: Binaries, logs: PathBuf) -> Self {
        let of = |mutant: &'a Mutant| {
            let tests = mutant.catches.iter().map(By::Tests);
            tests.chain(mutant.seeds.then_some(By::Seeds)).map(move |by| Job { mutant, by })
        };
        let jobs = mutants.iter().flat_map(|mutant| of(mutant)).collect();
        let has_timeout = program::program("timeout").arg("--version").succeeds();
        Self { jobs, binaries, logs, has_timeout }
    }

    /// Fails unless every test that is named is there, and passes with all mutants asleep.
    pub(crate) fn all_asleep(&self) -> Result<()> {
        eprintln!("== all asleep");
        let mut tests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for Job { by, .. } in &self.jobs {
            if let By::Tests(catch) = by {
                tests.entry(&catch.binary).or_default().extend(catch.tests.iter().map(String::as_str));
            }
        }
        let tests: Vec<_> = tests.into_iter().collect();
        in_parallel(&tests, |_, (binary, tests)| self.asleep(binary, tests)).into_iter().collect()
    }

    fn asleep(&self, binary: &str, tests: &BTreeSet<&str>) -> Result<()> {
        let log = format!("asleep.{}.log", binary.replace('/', "."));
        let (ended_well, text) = self.log(&log, self.command(binary)?.arg("--exact").args(tests))?;
        ensure!(
            ended_well,
            "tests of {binary} fail while all mutants are asleep: {}",
            self.logs.join(log).display()
        );
        let passed: BTreeSet<_> = results(&text, "ok").collect();
        let gone: Vec<_> = tests.difference(&passed).collect();
        ensure!(gone.is_empty(), "{binary} has no tests called {gone:?}");
        Ok(())
    }

    /// Runs every job; each says what came of it as soon as it ends.
    pub(crate) fn one_awake_at_a_time(&self) -> Vec<(Job<'a>, Verdict)> {
        eprintln!("== one awake at a time");
        let verdicts = in_parallel(&self.jobs, |number, job| {
            let verdict = self.verdict(number, job).unwrap_or_else(|error| Err(format!("{error:#}")));
            let (Ok(shown) | Err(shown)) = &verdict;
            eprintln!("{}: {}: {shown}", job.mutant.name, job.binary());
            verdict
        });
        self.jobs.iter().copied().zip(verdicts).collect()
    }

    fn verdict(&self, number: usize, job: &Job<'_>) -> Result<Verdict> {
        let log = format!("{number}.log");
        let mut command = self.command(job.binary())?;
        command.env("SOLEKEY_MUTANT", &job.mutant.name).args(job.arguments());
        let (_, text) = self.log(&log, &mut command)?;
        let at = |log: &str| self.logs.join(log).display().to_string();
        if let Some(reason) = was_not_tried(&text) {
            return Ok(Err(format!("not tried, {reason}: {}", at(&log))));
        }
        let Some(noticed) = job.noticed(&text) else {
            return Ok(Err(format!("{} does not notice: {}", job.binary(), at(&log))));
        };
        let asleep = format!("{log}.asleep");
        if matches!(job.by, By::Seeds) && !self.holds_asleep(&noticed, &asleep)? {
            return Ok(Err(format!("seed {noticed} has violations without it: {}", at(&asleep))));
        }
        Ok(Ok(noticed))
    }

    /// Returns whether a seed has no violation with all mutants asleep.
    fn holds_asleep(&self, seed: &str, log: &str) -> Result<bool> {
        let mut command = self.command(SEEDS)?;
        let (ended_well, _) = self.log(log, command.args(["--from", seed, "--seeds", "1"]))?;
        Ok(ended_well)
    }

    /// A binary, where cargo would run it, for as long as is allowed.
    fn command(&self, binary: &str) -> Result<Command> {
        let found = self.binaries.get(binary).with_context(|| format!("nothing was built for {binary}"))?;
        let mut command = if self.has_timeout {
            let mut command = program::program("timeout");
            command.args(["--kill-after", "10", LIMIT]).arg(&found.file);
            command
        } else {
            program::program(&found.file)
        };
        command.current_dir(&found.folder).env("RUST_BACKTRACE", "0").env_remove("SOLEKEY_MUTANT");
        Ok(command)
    }

    /// Runs a command and returns whether it ended well, and what it wrote, which stays in a log.
    fn log(&self, name: &str, command: &mut Command) -> Result<(bool, String)> {
        let path = self.logs.join(name);
        let file = File::create(&path)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let status = command.status().with_context(|| path.display().to_string())?;
        // Tests may print what is not text.
        Ok((status.success(), String::from_utf8_lossy(&fs::read(&path)?).into_owned()))
    }
}

impl Job<'_> {
    pub(crate) fn binary(&self) -> &str {
        match self.by {
            By::Tests(catch) => &catch.binary,
            By::Seeds => SEEDS,
        }
    }

    fn arguments(&self) -> Vec<String> {
        match self.by {
            By::Tests(catch) => {
                std::iter::once("--exact".to_owned()).chain(catch.tests.iter().cloned()).collect()
            }
            By::Seeds => {
                ["--first", "--threads", "1", "--seeds", &MOST_SEEDS.to_string()].map(str::to_owned).into()
            }
        }
    }

    /// Returns what noticed the mutant according to a log: the tests that failed, or the first seed with a violation.
    fn noticed(&self, log: &str) -> Option<String> {
        match self.by {
            By::Tests(_) => {
                let failed: Vec<_> = results(log, "FAILED").collect();
                (!failed.is_empty()).then(|| failed.join(" "))
            }
            By::Seeds => violated(log).map(|seed| seed.to_string()),
        }
    }
}

/// The tests of a log that ended so.
fn results<'a>(log: &'a str, result: &str) -> impl Iterator<Item = &'a str> {
    log.lines().filter_map(move |line| {
        let (name, found) = line.strip_prefix("test ")?.split_once(" ... ")?;
        (found == result).then_some(name)
    })
}

/// The first seed of a log that has a violation.
fn violated(log: &str) -> Option<u64> {
    let seeds = log.lines().filter_map(|line| line.strip_prefix("seed ")?.split_once(": ")?.0.parse().ok());
    seeds.min()
}

/// Returns the reason why a test that failed shows nothing about the mutant: its world grew too large before anything
/// forbidden was found in it, or the script that it changes has other words by now.
fn was_not_tried(log: &str) -> Option<&'static str> {
    let too_many = |line: &str| {
        let after = line.split_once("more than ").map_or("", |(_, after)| after);
        after.trim_start_matches(|digit: char| digit.is_ascii_digit()).starts_with(" states")
            && !after.starts_with(' ')
    };
    if log.lines().any(too_many) {
        return Some("the world has too many states");
    }
    log.contains("not once in the script").then_some("the script has changed")
}

/// Does something with each, as many at a time as there are cores: most jobs are one thread for most of their time.
fn in_parallel<T: Sync, R: Send>(all: &[T], job: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    let Some(one) = all.get(number) else { return };
                    let result = job(number, one);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_by_name() {
        let log = "running 2 tests\ntest a::b ... ok\ntest c ... FAILED\ntest d ... ignored\nfailures: test c ... FAILED";
        assert_eq!(results(log, "ok").collect::<Vec<_>>(), ["a::b"]);
        assert_eq!(results(log, "FAILED").collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn the_lowest_seed_counts() {
        assert_eq!(violated("seed 12: x\nseed 7: y\nseeds 1000, violations 2"), Some(7));
        assert_eq!(violated("seeds 1000, violations 0"), None);
    }

    #[test]
    fn what_was_not_tried_is_no_catch() {
        assert!(was_not_tried("panicked: more than 20000 states").is_some());
        assert!(was_not_tried("incr_fence: not once in the script").is_some());
        assert!(was_not_tried("more than once, in states").is_none());
    }

    #[test]
    fn jobs_keep_their_order() {
        let numbers: Vec<_> = (0..100).collect();
        assert_eq!(
            in_parallel(&numbers, |at, number| at * number),
            (0..100).map(|n| n * n).collect::<Vec<_>>()
        );
    }
}
