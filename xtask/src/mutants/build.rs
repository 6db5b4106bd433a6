//! One build that has every mutant, asleep.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::table::Mutant;
use crate::repository::Repository;

/// A file that runs tests, and where cargo would run it.
pub(crate) struct Binary {
    pub(crate) folder: PathBuf,
    pub(crate) file: PathBuf,
}

/// By `crate/target`; [`SEEDS`] is the simulation.
pub(crate) type Binaries = BTreeMap<String, Binary>;

/// The binary that runs seeds.
pub(crate) const SEEDS: &str = "seeds";

const INTERLEAVINGS: &str = "interleavings/lib";

/// Builds every binary that these mutants need, once.
pub(crate) fn build(repository: &Repository, mutants: &[&Mutant]) -> Result<Binaries> {
    let compiler = compiler(&repository.target)?;
    let needed: BTreeSet<_> =
        mutants.iter().flat_map(|mutant| &mutant.catches).map(|catch| &*catch.binary).collect();
    let mut targets: BTreeSet<_> =
        needed.iter().filter(|binary| **binary != INTERLEAVINGS).map(|binary| target(binary)).collect();
    if mutants.iter().any(|mutant| mutant.seeds) {
        // Cargo builds the binaries of a package for its tests, the simulation for these.
        targets.insert(target("sim/explore"));
    }
    let mut binaries = Binaries::new();
    if !targets.is_empty() {
        // With the features of the whole workspace: all other crates are those of scripts/test.
        let mut command = repository.cargo();
        command.args(["test", "--workspace", "--all-features", "--no-run"]).args(targets);
        binaries.extend(built(command.env("RUSTC_WORKSPACE_WRAPPER", &compiler))?);
    }
    if needed.contains(INTERLEAVINGS) {
        // A workspace of its own, whose members are not all that it compiles of ours. Flags of its own need a folder of
        // their own: the one of scripts/interleavings would be built anew each time.
        let mut command = repository.cargo();
        command.args(["test", "--manifest-path", "interleavings/Cargo.toml", "--lib", "--no-run"]);
        command.env("CARGO_TARGET_DIR", repository.target.join("interleavings-mutants"));
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        binaries.extend(built(command.env("RUSTFLAGS", format!("{flags} --cfg solekey_mutant")))?);
    }
    for binary in needed.into_iter().chain(mutants.iter().any(|mutant| mutant.seeds).then_some(SEEDS)) {
        ensure!(binaries.contains_key(binary), "there is no {binary}");
    }
    Ok(binaries)
}

/// The compiler that cargo is given: it puts mutants into the crates of the workspace and nowhere else.
fn compiler(target: &Path) -> Result<PathBuf> {
    let (file, text) = (target.join("mutants-rustc"), "#!/bin/sh\nexec \"$@\" --cfg solekey_mutant\n");
    // Cargo asks for its age, too: an unchanged one is left alone.
    if fs::read_to_string(&file).ok().as_deref() != Some(text) {
        fs::write(&file, text)?;
        fs::set_permissions(&file, Permissions::from_mode(0o755))?;
    }
    Ok(file)
}

/// Returns the arguments by which `cargo test` selects a binary.
fn target(binary: &str) -> String {
    match binary.split_once('/') {
        Some((_, "lib")) | None => "--lib".to_owned(),
        Some((_, test)) => format!("--test={test}"),
    }
}

fn built(command: &mut Command) -> Result<Binaries> {
    command.args(["--locked", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().context("cargo")?;
    ensure!(
        output.status.success(),
        "what has the mutants does not build: cargo ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?.lines().filter_map(binary).collect())
}

/// The binary that a line of cargo's speaks of.
fn binary(line: &str) -> Option<(String, Binary)> {
    let Artifact { manifest_path, target, executable } = serde_json::from_str(line).ok()?;
    let file = executable?;
    let folder = manifest_path.parent()?.to_owned();
    let krate = folder.file_name()?.to_str()?.to_owned();
    let name = match &*target.kind.first()?.clone() {
        "lib" => format!("{krate}/lib"),
        "test" => format!("{krate}/{}", target.name),
        "bin" if target.name == "solekey-sim" => SEEDS.to_owned(),
        _ => return None,
    };
    Some((name, Binary { folder, file }))
}

/// A line of cargo's about something that was built.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn line(kind: &str, name: &str, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/r/crates/redis-lock/Cargo.toml","target":{{"kind":["{kind}"],"name":"{name}"}},"executable":{executable}}}"#
        )
    }

    #[test]
    fn binaries_go_by_the_folder_of_their_crate() {
        let named = |kind, name| binary(&line(kind, name, "\"/t/x\"")).map(|(name, _)| name);
        assert_eq!(named("lib", "solekey_redis_lock").unwrap(), "redis-lock/lib");
        assert_eq!(named("test", "lock").unwrap(), "redis-lock/lock");
        assert_eq!(named("bin", "solekey-sim").unwrap(), SEEDS);
        assert_eq!(named("bin", "other"), None);
        let (_, found) = binary(&line("test", "lock", "\"/t/x\"")).unwrap();
        assert_eq!((found.folder, found.file), ("/r/crates/redis-lock".into(), "/t/x".into()));
    }

    #[test]
    fn what_cannot_be_run_is_no_binary() {
        assert!(binary(&line("lib", "solekey_redis_lock", "null")).is_none());
        assert!(binary(r#"{"reason":"build-finished","success":true}"#).is_none());
        assert!(binary("running 3 tests").is_none());
    }
}
