//! `solekey demo`: several replicas under load, a strict provider, one owner killed in the middle; then the same
//! without coordination.
//!
//! The provider is also the referee: the figures of presentations and burned accounts are what it has seen. The
//! load driver asks it about every token that a replica hands out.

mod args;
mod backing;
mod balancer;
mod config;
mod dialect;
mod figures;
mod import;
mod killer;
mod load;
mod phase;
mod provider;
mod replica;
mod report;
mod screen;
mod signals;
mod summary;
mod watchdog;

use std::fs::File;
use std::io::Write as _;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use solekey_testkit::provider::AuthorizationServer;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) use args::DemoArgs;

use backing::Backing;
use dialect::Dialect;
use load::REQUEST_TIMEOUT;
use phase::{Mode, Phase, Stage};
use report::{Report, shortcomings};
use screen::Screen;

/// Runs the demo and says how it went: success only when every promise was kept, the kill included.
///
/// The process exits with 1 when one was broken, 2 when the demo could not run, 130 when it was interrupted. Whatever
/// happens, the processes it started are gone when it returns.
pub(crate) fn run(args: DemoArgs) -> ExitCode {
    let screen = Screen::on_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return cannot_run(&screen, &error.into()),
    };
    let ended = runtime.block_on(until_interrupted(&args, &screen));
    match ended {
        Some(Ok(true)) => ExitCode::SUCCESS,
        Some(Ok(false)) => ExitCode::FAILURE,
        Some(Err(error)) => cannot_run(&screen, &error),
        None => {
            screen.note("interrupted");
            ExitCode::from(INTERRUPTED)
        }
    }
}

fn cannot_run(screen: &Screen, error: &anyhow::Error) -> ExitCode {
    screen.note(&format!("solekey demo: {error:#}"));
    ExitCode::from(CANNOT_RUN)
}

/// The demo; `None` when it was interrupted. Either way nothing of it is left.
async fn until_interrupted(args: &DemoArgs, screen: &Screen) -> Option<anyhow::Result<bool>> {
    let mut interrupted = pin!(signals::interrupted());
    let backing = tokio::select! {
        biased;
        () = &mut interrupted => return None,
        chosen = Backing::choose(args.redis.as_deref()) => chosen,
    };
    let backing = match backing {
        Ok(backing) => backing,
        Err(error) => return Some(Err(error)),
    };
    let ended = tokio::select! {
        biased;
        () = &mut interrupted => None,
        ended = demo(args, screen, &backing) => Some(ended),
    };
    if let Err(error) = backing.clean_up().await {
        screen.note(&format!("{error:#}"));
    }
    ended
}

/// Both phases; `true` when every promise was kept.
async fn demo(args: &DemoArgs, screen: &Screen, backing: &Backing) -> anyhow::Result<bool> {
    if let Some(log) = &args.log {
        File::create(log).with_context(|| format!("cannot write the log to {}", log.display()))?;
    }
    screen.note(&format!("coordination: {backing}"));
    let dialect = Dialect::new(args.provider);
    let provider = Arc::new(provider::start(&dialect).await?);
    let folder = tempfile::Builder::new().prefix("solekey-demo-").tempdir().context("no temporary folder")?;
    let outcome = both_phases(args, screen, backing, &provider, dialect, &folder).await;
    if let Some(log) = &args.log {
        provider.write_log(log).with_context(|| format!("cannot write the log to {}", log.display()))?;
    }
    let kept = match outcome {
        Ok((coordinated, uncoordinated)) => report(args, screen, backing, &coordinated, &uncoordinated)?,
        Err(error) => {
            keep(folder, &provider, screen);
            return Err(error);
        }
    };
    if !kept {
        keep(folder, &provider, screen);
    }
    Ok(kept)
}

async fn both_phases(
    args: &DemoArgs,
    screen: &Screen,
    backing: &Backing,
    provider: &Arc<AuthorizationServer>,
    dialect: Dialect,
    folder: &TempDir,
) -> anyhow::Result<(Phase, Phase)> {
    let stage = Stage {
        replicas: args.replicas,
        accounts: args.accounts,
        span: Duration::from_secs(args.seconds),
        backing,
        folder: folder.path(),
        provider: Arc::clone(provider),
        dialect,
        client: client()?,
        seal_key: seal_key(),
        screen: screen.clone(),
    };
    let coordinated = stage.run(Mode::Coordinated).await?;
    let uncoordinated = stage.run(Mode::Uncoordinated).await?;
    Ok((coordinated, uncoordinated))
}

/// Prints the result; `true` when every promise was kept.
fn report(
    args: &DemoArgs,
    screen: &Screen,
    backing: &Backing,
    coordinated: &Phase,
    uncoordinated: &Phase,
) -> anyhow::Result<bool> {
    let summary = summary::summary(args.accounts, backing.name(), coordinated, uncoordinated);
    if args.json {
        screen.note(&summary);
        let report = Report::new(args.accounts, backing.name(), coordinated, uncoordinated);
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(std::io::stdout(), "{summary}")?;
    }
    for trouble in &uncoordinated.troubles {
        screen.note(&format!("without coordination: {trouble}"));
    }
    let shortcomings = shortcomings(args.accounts, coordinated);
    for shortcoming in &shortcomings {
        screen.note(&format!("broken: {shortcoming}"));
    }
    Ok(shortcomings.is_empty())
}

/// Keeps the configurations and logs of the replicas after a failure, together with the provider's log.
fn keep(folder: TempDir, provider: &AuthorizationServer, screen: &Screen) {
    let folder = folder.keep();
    // The replicas' logs are there without it.
    let _ = provider.write_log(folder.join("presentations.jsonl"));
    screen.note(&format!("logs of the replicas and the provider: {}", folder.display()));
}

fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(REQUEST_TIMEOUT);
    client.build().context("cannot make an HTTP client")
}

/// A key of its own for every run: what the replicas store and share is sealed.
fn seal_key() -> String {
    let key = [*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat();
    format!("demo:{}", STANDARD.encode(key))
}

const CANNOT_RUN: u8 = 2;

/// As shells report a process ended by SIGINT.
const INTERRUPTED: u8 = 130;
