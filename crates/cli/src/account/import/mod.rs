//! Logging accounts in with the files of tools and gateways.

mod files;
mod named;

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use anyhow::{anyhow, bail};
use clap::{Args, CommandFactory as _, builder::NonEmptyStringValueParser, error::ErrorKind};
use indicatif::{ProgressBar, ProgressStyle};
use solekey_core::{ExposeSecret as _, FoundAccount, Import, MAX_ACCOUNTS, accounts};

use super::{Account, Sidecar, sidecar::LoginQuery};
use files::Source;
use named::{choose, provider_of};

#[derive(Args)]
pub(super) struct ImportArgs {
    /// Files, and folders of JSON files; - is standard input. A file may hold many accounts.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The provider's name in the sidecar's configuration. Without it the file has to say whose account it is: codex,
    /// claude, gemini, antigravity, grok and other names of presets.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    provider: Option<String>,
    /// The id of the account, where there is one; else the address or name in the file, or the file's own name.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    /// Takes a refresh token that was presented before: using it may revoke the grant.
    #[arg(long)]
    accept_spent: bool,
    /// Takes an access token alone in place of a pair.
    #[arg(long)]
    accept_lesser: bool,
}

/// One account on its way to the sidecar.
struct Candidate {
    /// The file, and the place in it.
    source: String,
    found: FoundAccount,
    account: Result<Account, String>,
    /// The file's own name, where it may name the account.
    stem: Option<String>,
    written: Option<SystemTime>,
}

/// What was read of all files.
#[derive(Default)]
struct Gathered {
    candidates: Vec<Candidate>,
    /// Files in folders that hold no account, and why.
    passed_over: Vec<(String, String)>,
}

impl ImportArgs {
    pub(super) async fn run(self, sidecar: &Sidecar) -> anyhow::Result<()> {
        if self.files.iter().any(|file| file == "-") && (self.provider.is_none() || self.id.is_none()) {
            let message = "standard input needs --provider and --id";
            crate::Cli::command().error(ErrorKind::MissingRequiredArgument, message).exit();
        }
        let Gathered { candidates, passed_over } = self.gather()?;
        if self.id.is_some() && candidates.len() > 1 {
            bail!("--id: expected one account, and there are {}", candidates.len());
        }
        let bar = bar(candidates.len());
        let is_single = candidates.len() == 1 && passed_over.is_empty();
        let mut refused = 0;
        for candidate in &candidates {
            let done = self.import(sidecar, candidate).await;
            bar.inc(1);
            match done {
                Err(error) if is_single => return Err(error),
                Err(error) => {
                    refused += 1;
                    bar.suspend(|| println!("refused\t{}\t{error:#}", candidate.source));
                }
                Ok(line) => bar.suspend(|| println!("{line}")),
            }
        }
        bar.finish_and_clear();
        for (file, why) in &passed_over {
            println!("ignored\t{file}\t{why}");
        }
        if refused > 0 {
            bail!("{refused} of {} accounts were refused", candidates.len());
        }
        if candidates.is_empty() {
            bail!("there is no account in {}", self.files.join(", "));
        }
        Ok(())
    }

    fn gather(&self) -> anyhow::Result<Gathered> {
        let mut gathered = Gathered::default();
        for argument in &self.files {
            for source in Source::of(argument)? {
                self.read(&source, &mut gathered)?;
                if gathered.candidates.len() > MAX_ACCOUNTS {
                    bail!("more than {MAX_ACCOUNTS} accounts");
                }
            }
        }
        distinguish(&mut gathered.candidates);
        Ok(gathered)
    }

    fn read(&self, source: &Source, gathered: &mut Gathered) -> anyhow::Result<()> {
        let content = source.read()?;
        let found = accounts(&content.bytes, content.written, SystemTime::now());
        let found = match found {
            Err(error) if source.is_found => {
                gathered.passed_over.push((source.name.clone(), shortened(&error.to_string())));
                return Ok(());
            }
            found => found.map_err(|error| anyhow!("invalid_input: {error}"))?,
        };
        let chosen = choose(&found, self.provider.as_deref());
        let is_part = found.len() > 1;
        for (found, is_chosen) in found.into_iter().zip(chosen) {
            let place = if found.path.is_empty() { String::new() } else { format!(": {}", found.path) };
            let shown = format!("{}{place}", source.name);
            if !found.is_account && is_part {
                let why = found.import.err().map(|error| error.to_string()).unwrap_or_default();
                gathered.passed_over.push((shown, shortened(&why)));
                continue;
            }
            if !is_chosen {
                let whose = found.provider.unwrap_or_default();
                gathered.passed_over.push((shown, format!("an account of another provider ({whose})")));
                continue;
            }
            let account = self.name(&found, source);
            let stem = source.stem().filter(|_| found.path.is_empty() && self.id.is_none());
            let written = content.written;
            gathered.candidates.push(Candidate { source: shown, found, account, stem, written });
        }
        Ok(())
    }

    fn name(&self, found: &FoundAccount, source: &Source) -> Result<Account, String> {
        let provider = self.provider.clone().or_else(|| provider_of(found));
        let provider =
            provider.ok_or("nothing says whose account it is: name the provider with --provider")?;
        let by_file = || source.stem().filter(|_| found.path.is_empty());
        let id = self.id.clone().or_else(|| found.id.clone()).or_else(by_file);
        let id = id.ok_or("nothing names the account: name it with --id")?;
        Ok(Account { provider, id })
    }

    /// Logs one in, and returns its line.
    async fn import(&self, sidecar: &Sidecar, candidate: &Candidate) -> anyhow::Result<String> {
        let Candidate { found, account, written, .. } = candidate;
        let import = found.import.as_ref().map_err(|error| anyhow!("invalid_input: {error}"))?;
        let account = account.as_ref().map_err(|why| anyhow!("{why}"))?;
        let query = LoginQuery {
            accept_spent: self.accept_spent,
            accept_lesser: self.accept_lesser,
            written: *written,
        };
        let login = sidecar.log_in(account, found.document.as_bytes().to_vec(), query).await?;
        Ok(format!("{login}\t{}/{}\t{}\t{}", account.provider, account.id, facts(import), candidate.source))
    }
}

/// Gives grants that go by one name and are of different workspaces the names of their files: the second would take the
/// place of the first. Where nothing shows that, one may be an older copy of the other, and all of them are refused.
fn distinguish(candidates: &mut [Candidate]) {
    let mut grants: HashMap<Account, Vec<usize>> = HashMap::new();
    for (at, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| candidate.grant().is_some())
    {
        if let Ok(account) = &candidate.account {
            grants.entry(account.clone()).or_default().push(at);
        }
    }
    let taken: HashSet<Account> = grants.keys().cloned().collect();
    for (account, same) in grants {
        let first = candidates[same[0]].grant();
        if same.iter().all(|at| candidates[*at].grant() == first) {
            continue;
        }
        let distinct = |of: fn(&Candidate) -> Option<String>| {
            same.iter().filter_map(|at| of(&candidates[*at])).collect::<HashSet<_>>().len() == same.len()
        };
        let are_named = distinct(Candidate::workspace) && distinct(|candidate| candidate.stem.clone());
        for at in same {
            let stem = candidates[at].stem.clone().filter(|_| are_named);
            let named =
                stem.map(|id| Account { id, ..account.clone() }).filter(|named| !taken.contains(named));
            candidates[at].account = named.ok_or_else(|| {
                format!("another one here is {}/{}, too: name each with --id", account.provider, account.id)
            });
        }
    }
}

impl Candidate {
    /// What distinguishes one grant from another.
    fn grant(&self) -> Option<String> {
        let credential = &self.found.import.as_ref().ok()?.credential;
        let token = credential.refresh_token().or_else(|| credential.access_token())?;
        Some(token.expose_secret().to_owned())
    }

    /// Where one person's grants are several, what distinguishes them.
    fn workspace(&self) -> Option<String> {
        const NAMES: [&str; 6] = [
            "account_id",
            "chatgpt_account_id",
            "workspace_id",
            "organization_id",
            "project_id",
            "accountId",
        ];
        let credential = &self.found.import.as_ref().ok()?.credential;
        NAMES.iter().find_map(|name| credential.field(name)).map(|text| text.expose_secret().to_owned())
    }
}

/// What is known of a credential: its shape, its end, whether it can be refreshed, what of its file is not kept.
fn facts(import: &Import) -> String {
    let end = match (import.expires_in, import.ends_at(SystemTime::now())) {
        (Some(left), _) if left.is_zero() => "ended".to_owned(),
        (_, Some(end)) => format!("ends {end}"),
        _ => "end unknown".to_owned(),
    };
    let refreshable =
        if import.credential.refresh_token().is_some() { "refreshable" } else { "not refreshable" };
    let ignored = import.ignored().unwrap_or_default();
    let kept = if ignored.is_empty() {
        String::new()
    } else {
        format!("\tnot kept: {}", shortened(&ignored.join(", ")))
    };
    format!("{}\t{end}\t{refreshable}{kept}", import.credential.shape().name())
}

/// Drawn on a terminal alone, and for many.
fn bar(accounts: usize) -> ProgressBar {
    if accounts < MANY {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} accounts, {eta} left");
    let bar = ProgressBar::new(accounts as u64);
    style.map_or(ProgressBar::hidden(), |style| bar.with_style(style))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

const MANY: usize = 5;
const SHOWN: usize = 160;
