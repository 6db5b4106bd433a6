//! `solekey explain`: why an account is in its state, and what happens next.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use serde_json::Value;

use crate::account::{Account, At, Sidecar};

#[derive(Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    account: Account,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: ExplainArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let explained = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(explain(args)));
    match explained {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

async fn explain(ExplainArgs { at, account, json }: ExplainArgs) -> anyhow::Result<()> {
    let explanation = Sidecar::new(&at.url)?.explain(&account).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&explanation)?);
        return Ok(());
    }
    let story =
        explanation["story"].as_array().ok_or_else(|| anyhow!("the sidecar is an older one: try --json"))?;
    for sentence in story.iter().filter_map(Value::as_str) {
        println!("{sentence}");
    }
    Ok(())
}
