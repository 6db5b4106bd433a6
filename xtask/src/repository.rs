//! This repository: its folder, its files, its commits, its packages.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::{Deserialize, de::DeserializeOwned};

use crate::program::{self, Run};

/// The repository that xtask is a part of.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    /// The folder in which cargo builds.
    pub(crate) target: PathBuf,
}

impl Repository {
    /// Finds it from where xtask was built.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is a folder of it")?;
        let mut found = Self { root: root.to_owned(), target: PathBuf::new() };
        found.target = found.metadata(&["--no-deps"])?.target_directory;
        Ok(found)
    }

    /// Returns the metadata that cargo has of the workspace. Other platforms are left out: their crates need not have
    /// been fetched.
    pub(crate) fn metadata(&self, options: &[&str]) -> Result<Metadata> {
        let version = ["metadata", "--format-version", "1", "--locked"];
        let text = program::cargo().args(version).args(options).current_dir(&self.root).read()?;
        serde_json::from_str(&text).context("cargo metadata")
    }

    /// A program that runs in the root.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = program::program(name);
        command.current_dir(&self.root);
        command
    }

    /// Cargo, in the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = program::cargo();
        command.current_dir(&self.root);
        command
    }

    /// Returns the output of git.
    pub(crate) fn git(&self, arguments: &[&str]) -> Result<String> {
        self.program("git").args(arguments).read()
    }

    /// The files that git tracks, and new ones that it does not ignore, by their paths from the root.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let listed = self.git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let mut files: Vec<_> =
            listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        // One that was removed is listed until its removal is staged.
        files.retain(|path| self.root.join(path).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The files below a folder, by their paths from the root; for what has to work without git, too.
    pub(crate) fn below(&self, folder: &str) -> Result<Vec<String>> {
        let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(self.root.join(&folder)).with_context(|| folder.clone())? {
                let entry = entry?;
                let name =
                    entry.file_name().into_string().ok().with_context(|| format!("{folder}: a name"))?;
                let paths = if entry.file_type()?.is_dir() { &mut open } else { &mut files };
                paths.push(format!("{folder}/{name}"));
            }
        }
        files.sort();
        Ok(files)
    }

    /// The text of a file, by its path from the root.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.root.join(path)).with_context(|| path.to_owned())
    }

    /// A table of rules, by its path from the root.
    pub(crate) fn table<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        toml::from_str(&self.text(path)?).with_context(|| path.to_owned())
    }
}

/// Returns whether a file is of a kind, by the end of its name.
pub(crate) fn is_kind(path: &str, kind: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == kind)
}

/// The output of `cargo metadata`, as far as tasks need it.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Option<Resolve>,
    pub(crate) workspace_members: Vec<String>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    /// The registries that it may be published to: none where the list is empty, any where there is no list.
    publish: Option<Vec<String>>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
pub(crate) struct DependencyKind {
    /// `None` for an ordinary dependency.
    pub(crate) kind: Option<String>,
}

impl Package {
    pub(crate) fn is_published(&self) -> bool {
        self.publish.is_none()
    }

    /// The root file of its library.
    pub(crate) fn library(&self) -> Option<&Path> {
        self.root_of("lib")
    }

    /// The root file of its library, or else of its first binary.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.library().or_else(|| self.root_of("bin"))
    }

    fn root_of(&self, kind: &str) -> Option<&Path> {
        let target = self.targets.iter().find(|target| target.kind.iter().any(|name| name == kind));
        target.map(|target| target.src_path.as_path())
    }
}

impl Metadata {
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The names of packages by their ids.
    pub(crate) fn names(&self) -> BTreeMap<&str, &str> {
        self.packages.iter().map(|package| (&*package.id, &*package.name)).collect()
    }
}
