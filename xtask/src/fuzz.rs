//! Bends what strangers hand in until a property in fuzz/properties gives: credentials, answers of token endpoints,
//! tokens, configurations.
//!
//! libFuzzer needs a nightly compiler. Where there is none nothing is fuzzed, and the summary says so. What is found
//! beyond the seeds stays in the target folder; an input that breaks a property is written to fuzz/artifacts, and
//! becomes a seed with the change that mends it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::Path,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{program::Run, repository::Repository, tool::CARGO_FUZZ, toolchain::Nightly};

/// Bends what strangers hand in until a property gives: without options so often, and always with the same inputs, so
/// that luck decides about no change.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Goes on for so long with each target, with other inputs every time.
    #[arg(long)]
    seconds: Option<u32>,
    /// Takes every target, and ten times as many inputs.
    #[arg(long)]
    deep: bool,
    /// Takes these targets: import, token_answer, jwt, config.
    targets: Vec<String>,
}

impl Arguments {
    /// An ordinary run, or one that takes every target.
    pub(crate) fn of_depth(deep: bool) -> Self {
        Self { deep, ..Self::default() }
    }
}

struct Target {
    name: &'static str,
    /// Inputs of an ordinary run: some seconds.
    inputs: u32,
    /// A feature of fuzz/Cargo.toml.
    feature: Option<&'static str>,
}

const TARGETS: [Target; 4] = [
    Target { name: "import", inputs: 1_000_000, feature: None },
    Target { name: "token_answer", inputs: 400_000, feature: None },
    Target { name: "jwt", inputs: 1_000_000, feature: None },
    Target { name: "config", inputs: 100_000, feature: Some("server") },
];

impl Target {
    /// Returns whether an ordinary run takes it. A target that needs the server has all its dependencies built once
    /// more, for minutes; ordinary tests of the server check the same properties on the seeds.
    fn is_ordinary(&self) -> bool {
        self.feature.is_none()
    }
}

/// Returns a summary.
pub(crate) fn run(repository: &Repository, arguments: &Arguments) -> Result<String> {
    let Some(nightly) = Nightly::find(repository) else {
        let summary = "fuzz: NOT RUN, no nightly toolchain".to_owned();
        println!("{summary}");
        return Ok(summary);
    };
    let folder = repository.target.join("fuzz");
    fs::create_dir_all(&folder)?;
    // The committed lock is the one that counts.
    let locked = ["metadata", "--format-version", "1", "--locked", "--manifest-path", "fuzz/Cargo.toml"];
    ensure!(repository.cargo().args(locked).succeeds(), "fuzz/Cargo.lock has to be brought up to date");
    let fuzzer = Fuzzer {
        repository,
        nightly: &nightly,
        folder: &folder,
        path: &CARGO_FUZZ.path(repository)?,
        arguments,
    };
    let how = match arguments.seconds {
        Some(seconds) => format!("for {seconds} s each"),
        None => "the same inputs every time".to_owned(),
    };
    let mut summary = vec![format!("fuzz: {}, {how}", nightly.describe())];
    for target in chosen(arguments)? {
        println!("fuzz {}", target.name);
        let executions = fuzzer.run(target)?;
        summary.push(format!("{:<14} {executions:>9} executions, nothing found", target.name));
    }
    let left = TARGETS.iter().filter(|target| arguments.targets.is_empty() && !takes(arguments, target));
    summary.extend(left.map(|target| format!("{:<14} left to --deep", target.name)));
    let summary = summary.join("\n");
    println!("{summary}");
    Ok(summary)
}

fn chosen(arguments: &Arguments) -> Result<Vec<&'static Target>> {
    let known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(unknown) = arguments.targets.iter().find(|name| !known(name)) {
        bail!("no target is called {unknown}");
    }
    Ok(TARGETS.iter().filter(|target| takes(arguments, target)).collect())
}

fn takes(arguments: &Arguments, target: &Target) -> bool {
    let named = arguments.targets.iter().any(|name| name == target.name);
    named || (arguments.targets.is_empty() && (arguments.deep || target.is_ordinary()))
}

struct Fuzzer<'a> {
    repository: &'a Repository,
    nightly: &'a Nightly,
    folder: &'a Path,
    path: &'a OsStr,
    arguments: &'a Arguments,
}

impl Fuzzer<'_> {
    /// Returns how many inputs there were.
    fn run(&self, Target { name, inputs, feature }: &Target) -> Result<u64> {
        let Self { repository, nightly, folder, path, arguments } = self;
        let (corpus, bounds) = if let Some(seconds) = arguments.seconds {
            (folder.join("corpus").join(name), vec![format!("-max_total_time={seconds}")])
        } else {
            let corpus = folder.join("corpus.same").join(name);
            if corpus.exists() {
                fs::remove_dir_all(&corpus)?;
            }
            let inputs = if arguments.deep { inputs * 10 } else { *inputs };
            (corpus, vec!["-seed=1".to_owned(), format!("-runs={inputs}")])
        };
        fs::create_dir_all(&corpus)?;
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log)?;
        let mut command = repository.program("rustup");
        command
            .args(["run", &nightly.name, "cargo", "fuzz", "run", "--fuzz-dir", "fuzz"])
            .arg("--target-dir")
            .arg(folder);
        // No sanitizer: there is no unsafe code here for one to watch.
        command
            .args(["--sanitizer", "none"])
            .args(feature.map(|feature| format!("--features={feature}")))
            .arg(name);
        command.arg(&corpus).arg(format!("fuzz/seeds/{name}")).arg("--").args(bounds);
        command.args(["-timeout=10", "-max_len=8192", "-print_final_stats=1"]).env("PATH", path);
        let status = command.stdout(file.try_clone()?).stderr(file).status().context("rustup")?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if !status.success() {
            let lines: Vec<_> = text.lines().collect();
            bail!(
                "{name} is broken, see {}:\n{}",
                log.display(),
                lines[lines.len().saturating_sub(25)..].join("\n")
            );
        }
        let executions =
            executions(&text).context("libFuzzer does not say how many executions there were")?;
        ensure!(executions > 0, "{name}: nothing was executed");
        Ok(executions)
    }
}

fn executions(log: &str) -> Option<u64> {
    log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(arguments: &Arguments) -> Vec<&'static str> {
        chosen(arguments).unwrap().into_iter().map(|target| target.name).collect()
    }

    #[test]
    fn an_ordinary_run_leaves_what_needs_the_server_to_a_deep_one() {
        assert_eq!(names(&Arguments::of_depth(false)), ["import", "token_answer", "jwt"]);
        assert_eq!(names(&Arguments::of_depth(true)).len(), TARGETS.len());
        let named = |name: &str| Arguments { targets: vec![name.to_owned()], ..Arguments::default() };
        assert_eq!(names(&named("config")), ["config"]);
        assert!(chosen(&named("other")).is_err());
    }

    #[test]
    fn executions_are_read() {
        assert_eq!(executions("x\nstat::number_of_executed_units: 400000\n"), Some(400_000));
        assert_eq!(executions("x"), None);
    }
}
