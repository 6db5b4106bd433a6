//! `solekey doctor`: checks a set-up.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use solekey_server::{
    Config, Environment,
    doctor::{self, Diagnosis, Finding, Level},
};

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// The configuration. Without it ./solekey.toml, and where there is none the environment alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// Fails when something has to be mended first.
pub(crate) fn run(args: DoctorArgs) -> ExitCode {
    let json = args.json;
    match examine(args).and_then(|diagnosis| show(&diagnosis, json)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => crate::fail(&error),
    }
}

fn examine(args: DoctorArgs) -> anyhow::Result<Diagnosis> {
    let file = crate::serve::config_file(args.config);
    let config = Config::load(file.as_deref(), &Environment::of_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(doctor::examine(config)))
}

fn show(diagnosis: &Diagnosis, json: bool) -> anyhow::Result<bool> {
    if json {
        println!("{}", serde_json::to_string_pretty(diagnosis)?);
    } else {
        diagnosis.findings.iter().for_each(|finding| println!("{}", line(finding)));
    }
    Ok(diagnosis.healthy)
}

fn line(Finding { check, level, said, advice, .. }: &Finding) -> String {
    let level = match level {
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Warning => "warning",
        _ => "ERROR",
    };
    let advice = advice.as_ref().map_or_else(String::new, |advice| format!("\n{:30} -> {advice}", ""));
    format!("{level:8} {check:20}  {said}{advice}")
}
