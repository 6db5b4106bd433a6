//! Compilers other than that of every day.

use anyhow::{Result, ensure};

use crate::{program::Run, repository::Repository};

/// The compiler to which fuzzing and the listings of docs/api are pinned: the flags of libFuzzer and the JSON of
/// rustdoc change with any nightly.
const NIGHTLY: &str = "nightly-2026-05-20";
/// The same by the date that compilers give themselves.
const NIGHTLY_DATE: &str = "2026-05-19";

/// A nightly compiler that runs here.
pub(crate) struct Nightly {
    /// Its name in rustup.
    pub(crate) name: String,
    /// The version that is used instead, where it is not the pinned one.
    pub(crate) instead: Option<String>,
}

impl Nightly {
    /// The pinned one, under whichever name, installed where that is possible; or else the one called `nightly`.
    pub(crate) fn find(repository: &Repository) -> Option<Self> {
        let version = version(repository, "nightly");
        let pinned = |name: &str| Self { name: name.to_owned(), instead: None };
        if version.as_ref().is_some_and(|version| version.ends_with(&format!(" {NIGHTLY_DATE})"))) {
            return Some(pinned("nightly"));
        }
        if runs(repository, NIGHTLY) || install(repository, NIGHTLY) {
            return Some(pinned(NIGHTLY));
        }
        let instead = version.map(|version| format!("not the pinned {NIGHTLY} ({version})"))?;
        Some(Self { name: "nightly".to_owned(), instead: Some(instead) })
    }

    pub(crate) fn describe(&self) -> String {
        let Self { name, instead } = self;
        instead.as_ref().map_or_else(|| name.clone(), |instead| format!("{name}, {instead}"))
    }
}

/// Does something with a compiler, which is installed for it where it is missing, and removed again; `None` where there
/// is none.
pub(crate) fn with<T>(
    repository: &Repository,
    name: &str,
    work: impl FnOnce() -> Result<T>,
) -> Option<Result<T>> {
    if runs(repository, name) {
        return Some(work());
    }
    if !install(repository, name) {
        return None;
    }
    let result = work();
    let removed = repository.program("rustup").args(["toolchain", "uninstall", name]).succeeds();
    Some(result.and_then(|done| {
        ensure!(removed, "rustup does not remove {name}");
        Ok(done)
    }))
}

/// Returns whether there is such a compiler, and it runs here.
fn runs(repository: &Repository, name: &str) -> bool {
    repository.program("rustup").args(["run", name, "rustc", "--version"]).succeeds()
}

fn version(repository: &Repository, name: &str) -> Option<String> {
    if !runs(repository, name) {
        return None;
    }
    let version = repository.program("rustup").args(["run", name, "rustc", "--version"]).read().ok()?;
    Some(version.trim().to_owned())
}

/// Installs such a compiler; returns whether there is one now. Where the archive of Rust cannot be reached, this gives
/// up by itself.
fn install(repository: &Repository, name: &str) -> bool {
    if !repository.program("rustup").arg("--version").succeeds() {
        return false;
    }
    eprintln!("installing Rust {name}");
    let install = ["300", "rustup", "toolchain", "install", name, "--profile", "minimal"];
    repository.program("timeout").args(install).succeeds() && runs(repository, name)
}
