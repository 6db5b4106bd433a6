//! `solekey config`: a configuration, read and not served.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use solekey_server::{Checked, Config, Environment, Setting};

#[derive(Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists every problem, or every key with its value and where it is from. Connects to nothing.
    Check(CheckArgs),
    /// Writes the JSON Schema of the file, for editors.
    Schema,
}

#[derive(Args)]
struct CheckArgs {
    /// The configuration. Without it ./solekey.toml, and where there is none the environment alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Fails when the configuration cannot work.
pub(crate) fn run(args: ConfigArgs) -> ExitCode {
    match args.command {
        Command::Check(args) => check(args),
        Command::Schema => {
            println!("{:#}", Config::schema());
            ExitCode::SUCCESS
        }
    }
}

fn check(args: CheckArgs) -> ExitCode {
    let file = crate::serve::config_file(args.config);
    match Config::check(file.as_deref(), &Environment::of_process()) {
        Ok(checked) => {
            show(&checked);
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in problems {
                crate::fail(&problem.into());
            }
            ExitCode::FAILURE
        }
    }
}

fn show(Checked { settings, warnings, .. }: &Checked) {
    let longest = settings.iter().map(|setting| setting.key.chars().count()).max().unwrap_or_default();
    for Setting { key, value, origin, .. } in settings {
        println!("{origin:11}  {key:longest$}  {value}");
    }
    for warning in warnings {
        eprintln!("solekey: warning: {warning}");
    }
}
