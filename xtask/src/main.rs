//! Tasks of this repository that are too large for a shell script: `cargo xtask --help`.

mod api;
mod arrows;
mod changed;
mod ci;
mod fuzz;
mod mutants;
mod program;
mod repository;
mod semver;
mod tool;
mod toolchain;
mod words;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use repository::Repository;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Mutants(mutants::Arguments),
    Api(api::Arguments),
    /// Compares docs/api with the last release: what is gone needs a section "### Breaking" in the changelog.
    Semver,
    /// Checks who may depend on whom, between crates and inside them; the rules are in xtask/arrows.toml.
    Arrows,
    Words(words::Arguments),
    Fuzz(fuzz::Arguments),
    Ci(ci::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let repository = Repository::find()?;
    match task {
        Task::Mutants(arguments) => mutants::run(&repository, &arguments),
        Task::Api(arguments) => api::run(&repository, &arguments).map(drop),
        Task::Semver => semver::run(&repository),
        Task::Arrows => arrows::run(&repository),
        Task::Words(arguments) => words::run(&repository, &arguments),
        Task::Fuzz(arguments) => fuzz::run(&repository, &arguments).map(drop),
        Task::Ci(arguments) => ci::run(&repository, &arguments),
    }
}
