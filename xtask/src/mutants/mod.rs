//! Wakes known bugs, one at a time, and demands that what is named for each notices it: tests that have never caught
//! anything prove nothing.
//!
//! A test was written for the bug, or for its rule. The others search for bugs that nobody knows yet: every interleaving
//! of a small world or of a few threads; fleets from seeds; and what fleets cannot run, because their ports are simulated,
//! compared with a model of it or under a law, with operations drawn from a fixed seed.
//!
//! A mutant is a place in the code that asks `mutant("name")`. One build, with `--cfg solekey_mutant`, has them all,
//! asleep; `SOLEKEY_MUTANT=name` wakes one in a process. Every test that is named must first pass with all of them asleep.
//! A mutant is caught when everything that is named for it notices it: one of the tests of a line fails, or a seed has a
//! violation. A run that hangs, a test that is gone and a world with too many states are not catches.

mod build;
mod choice;
mod job;
mod places;
mod report;
mod table;

use std::{env, fs};

use anyhow::{Result, bail};
use choice::Choice;
use job::Jobs;
use places::Places;
use table::{Mutant, Table};

use crate::{changed::Changed, program::Run, repository::Repository};

/// Wakes known bugs, one at a time, and demands that tests, explorations and seeds notice each.
///
/// Without names: those whose code has changed, and a tenth of the others, which the id of HEAD draws.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Takes all of them.
    #[arg(long, conflicts_with = "names")]
    deep: bool,
    /// Only shows which it would take.
    #[arg(long)]
    list: bool,
    /// Takes these.
    names: Vec<String>,
    /// Runs inside scripts/with-servers already.
    #[arg(long, hide = true)]
    with_servers: bool,
}

impl Arguments {
    /// An ordinary run, or one that takes all.
    pub(crate) fn of_depth(deep: bool) -> Self {
        Self { deep, list: false, names: Vec::new(), with_servers: false }
    }
}

pub(crate) fn run(repository: &Repository, arguments: &Arguments) -> Result<()> {
    let (table, places) = (Table::read(repository)?, Places::find(repository)?);
    table.agrees_with(&places)?;
    if !arguments.with_servers && !arguments.list {
        return with_servers(repository, arguments);
    }
    let mutants = chosen(repository, arguments, &table, &places)?;
    if arguments.list {
        println!("{} mutants", mutants.len());
        return Ok(());
    }
    let logs = repository.target.join("mutants");
    if logs.exists() {
        fs::remove_dir_all(&logs)?;
    }
    fs::create_dir_all(&logs)?;
    let jobs = Jobs::new(&mutants, build::build(repository, &mutants)?, logs);
    jobs.all_asleep()?;
    report::print(&jobs.one_awake_at_a_time())
}

/// Runs the same once more, with the servers that tests need.
fn with_servers(repository: &Repository, arguments: &Arguments) -> Result<()> {
    let mut command = repository.program("scripts/with-servers");
    command.arg(env::current_exe()?).args(["mutants", "--with-servers"]);
    command.args(arguments.deep.then_some("--deep")).args(&arguments.names).run()
}

fn chosen<'a>(
    repository: &Repository,
    arguments: &Arguments,
    table: &'a Table,
    places: &Places,
) -> Result<Vec<&'a Mutant>> {
    if !arguments.names.is_empty() {
        if let Some(unknown) = arguments.names.iter().find(|name| table.get(name).is_none()) {
            bail!("no mutant is called {unknown}");
        }
        return Ok(arguments.names.iter().filter_map(|name| table.get(name)).collect());
    }
    if arguments.deep {
        return Ok(table.iter().collect());
    }
    let changed = Changed::find(repository)?;
    let head = repository.git(&["rev-parse", "HEAD"])?;
    let choice =
        Choice::new(table.iter().map(|mutant| (&*mutant.name, places.of(&mutant.name))), &changed, &head);
    println!("{choice}");
    Ok(choice.taken().filter_map(|name| table.get(name)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_table_and_the_code_have_the_same_mutants() {
        let repository = Repository::find().unwrap();
        let table = Table::read(&repository).unwrap();
        table.agrees_with(&Places::find(&repository).unwrap()).unwrap();
        assert!(table.iter().count() > 100, "a check that finds nothing proves nothing");
    }
}
