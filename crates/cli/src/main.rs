//! The `solekey` binary.

mod account;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod explain;
mod logs;
mod serve;
#[cfg(feature = "otlp")]
mod traces;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One OAuth refresh owner per account, across every replica of your gateway.
#[derive(Parser)]
#[command(name = "solekey", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the sidecar.
    Serve(serve::ServeArgs),
    /// Shows it: replicas under load, a strict provider, one owner killed in the middle.
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Logs accounts in at a running sidecar, shows, refreshes and removes them.
    Account(account::AccountArgs),
    /// Shows why an account is in its state, and what happens next.
    Explain(explain::ExplainArgs),
    /// Checks a configuration without serving it, and describes it to editors.
    Config(config::ConfigArgs),
    /// Checks everything that a configuration names, and reports its condition.
    Doctor(doctor::DoctorArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(args),
        Command::Account(args) => account::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Config(args) => config::run(args),
        Command::Doctor(args) => doctor::run(args),
    }
}

/// Prints the error for a person.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("solekey: {error:#}");
    ExitCode::FAILURE
}

#[cfg(all(test, feature = "demo"))]
mod documents;
