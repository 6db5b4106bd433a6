//! `solekey account`: what an operator does with accounts, at a running sidecar.

mod export;
mod import;
mod sidecar;
mod table;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};

use sidecar::Listed;
pub(crate) use sidecar::Sidecar;

#[derive(Args)]
pub(crate) struct AccountArgs {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Logs accounts in with files of tools and gateways: Codex CLI, Claude Code, Gemini CLI, opencode, Grok CLI, Kiro, Qwen
    /// Code, CLIProxyAPI, exports of sub2api, flat JSON; prints a line for each account.
    Import(import::ImportArgs),
    /// Writes an account's document, its tokens included, into a new file of mode 0600. Whoever presents its refresh token
    /// elsewhere may end the grant.
    Export {
        #[command(flatten)]
        account: Account,
        /// The file, which must not be there yet.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Lists accounts and their state.
    List {
        /// Only those of this provider.
        #[arg(long)]
        provider: Option<String>,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Shows the state of an account as JSON.
    Show {
        #[command(flatten)]
        account: Account,
    },
    /// Deletes an account and its tokens.
    Remove {
        #[command(flatten)]
        account: Account,
    },
    /// Refreshes an account's tokens now.
    ///
    /// One whose last answer was not understood (`solekey explain` says so) presents the same refresh token once more,
    /// and the provider may end the grant for it: correct how its answers are read and restart first, or log in.
    Refresh {
        #[command(flatten)]
        account: Account,
    },
}

/// Which sidecar.
#[derive(Args)]
pub(crate) struct At {
    /// The address of the sidecar: http://HOST:PORT or unix:PATH.
    #[arg(long, global = true, env = "SOLEKEY_URL", default_value = "http://127.0.0.1:8750")]
    pub(crate) url: String,
}

/// Which account.
#[derive(Args, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    /// The provider's name in the sidecar's configuration.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    provider: String,
    /// The account's id.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    id: String,
}

pub(crate) fn run(args: AccountArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(perform(args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

async fn perform(args: AccountArgs) -> anyhow::Result<()> {
    let sidecar = Sidecar::new(&args.at.url)?;
    match args.command {
        Command::Import(args) => args.run(&sidecar).await?,
        Command::Export { account, to } => {
            export::write(&to, &sidecar.export(&account).await?)?;
            println!("exported to {}", to.display());
        }
        Command::List { provider, json } => list(&sidecar, provider.as_deref(), json).await?,
        Command::Show { account } => {
            println!("{}", serde_json::to_string_pretty(&sidecar.state(&account).await?)?);
        }
        Command::Remove { account } => {
            sidecar.remove(&account).await?;
            println!("removed");
        }
        Command::Refresh { account } => {
            let generation = sidecar.refresh(&account).await?;
            println!("refreshed, generation {generation}");
        }
    }
    Ok(())
}

async fn list(sidecar: &Sidecar, provider: Option<&str>, json: bool) -> anyhow::Result<()> {
    let mut cursor = None;
    loop {
        let Listed { accounts, next } = sidecar.list(provider, cursor.as_deref()).await?;
        for account in &accounts {
            println!("{}", if json { account.to_string() } else { table::line(account) });
        }
        if next.is_none() {
            return Ok(());
        }
        cursor = next;
    }
}
