//! The `solekey` binary.

mod account;
mod demo;
mod logs;
mod serve;

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
    Demo(demo::DemoArgs),
    /// Logs accounts in at a running sidecar, shows, refreshes and removes them.
    Account(account::AccountArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Account(args) => account::run(args),
    }
}

/// Tells a person what went wrong.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("solekey: {error:#}");
    ExitCode::FAILURE
}
