//! Everything that has to be green: the steps of `.ci/run`.

mod checks;
mod demo;
mod proofs;
mod step;

use std::{fs, process::Command, time::Instant};

use anyhow::{Context, Result};
use step::Step;

use crate::{program::Run, repository::Repository};

/// Runs the steps of `.ci/run`, in order; the first failure ends it.
///
/// An ordinary run is for every change. A deep one is for releases and nights: all mutants, more seeds, operations and
/// inputs, every compiler and every set of features.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Takes all of what is a matter of quantity.
    #[arg(long)]
    deep: bool,
    /// Files that no later step needs may be removed: everything in the target folder was built by this run.
    #[arg(long, hide = true)]
    fresh: bool,
    /// Takes these.
    steps: Vec<Step>,
}

/// The facts that steps know, and the results that they leave for the end.
struct Ci<'a> {
    repository: &'a Repository,
    deep: bool,
    fresh: bool,
    /// Notes for the reader of the last lines.
    notes: Vec<String>,
    /// The numbers of tests that passed and that failed.
    tests: Option<(u64, u64)>,
}

pub(crate) fn run(repository: &Repository, arguments: &Arguments) -> Result<()> {
    let Arguments { deep, fresh, ref steps } = *arguments;
    let mut ci = Ci { repository, deep, fresh, notes: Vec::new(), tests: None };
    let steps = if steps.is_empty() { Step::all() } else { steps.clone() };
    let mut times = Vec::new();
    let mut failed = None;
    for step in steps {
        let (name, began) = (step.name(), Instant::now());
        println!("\n== {name}");
        let result = ci.step(step);
        let (took, free) = (began.elapsed().as_secs(), ci.free_space());
        println!("== {name} took {took} s; {free} of disk are free");
        times.push((name.clone(), took));
        if let Err(error) = result {
            failed = Some(error.context(name));
            break;
        }
    }
    ci.print_end(&times, failed.is_some());
    failed.map_or(Ok(()), Err)
}

impl Ci<'_> {
    fn print_end(&self, times: &[(String, u64)], failed: bool) {
        let depth = if self.deep { "deep" } else { "ordinary" };
        println!("\n== {}, {depth}", if failed { "NOT green" } else { "all green" });
        for (name, took) in times {
            println!("{name:<10} {took:>5} s");
        }
        println!("{:<10} {:>5} s", "in all", times.iter().map(|(_, took)| took).sum::<u64>());
        for note in &self.notes {
            println!("{note}");
        }
        // In the form that readers of logs know, whatever ran: tests where there were some, or else steps.
        let steps = times.len() as u64 - u64::from(failed);
        let (passed, failures) = self.tests.unwrap_or((steps, u64::from(failed)));
        println!("{passed} passed, {} failed", if failed { failures.max(1) } else { failures });
    }

    /// A script of this repository.
    fn script(&self, name: &str) -> Command {
        self.repository.program(name)
    }

    /// Cargo, as every step calls it.
    fn cargo(&self, arguments: &[&str]) -> Result<()> {
        self.repository.cargo().args(arguments).run()
    }

    /// Removes what no later step needs, unless it was there before. Disks of machines that build are small.
    fn spare(&self, folders: &[&str]) -> Result<()> {
        for folder in folders.iter().filter(|_| self.fresh) {
            let folder = self.repository.target.join(folder);
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
            }
        }
        Ok(())
    }

    fn free_space(&self) -> String {
        let free = self.repository.program("df").arg("-Pm").arg(&self.repository.target).read();
        let free = free.ok().and_then(|text| {
            let line = text.lines().nth(1)?.to_owned();
            line.split_whitespace().nth(3).map(|megabytes| format!("{megabytes} MB"))
        });
        free.unwrap_or_else(|| "an unknown amount".to_owned())
    }
}
