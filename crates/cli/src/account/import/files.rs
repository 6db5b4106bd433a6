//! The files that are named, and those in folders that are.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, bail};

/// A file to read, or standard input.
pub(super) struct Source {
    /// As it is shown.
    pub(super) name: String,
    path: Option<PathBuf>,
    /// It was found in a folder: what is no account is passed over.
    pub(super) is_found: bool,
}

/// What was read, and when the file was written.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) written: Option<SystemTime>,
}

impl Source {
    /// The sources of an argument: itself, or the JSON files below a folder, without what symbolic links lead to.
    pub(super) fn of(argument: &str) -> anyhow::Result<Vec<Self>> {
        if argument == "-" {
            return Ok(vec![Self { name: "-".to_owned(), path: None, is_found: false }]);
        }
        let path = PathBuf::from(argument);
        if !path.is_dir() {
            return Ok(vec![Self { name: argument.to_owned(), path: Some(path), is_found: false }]);
        }
        let mut found = Vec::new();
        walk(&path, 0, &mut found).with_context(|| format!("cannot read {argument}"))?;
        found.sort();
        let source =
            |path: PathBuf| Self { name: path.display().to_string(), path: Some(path), is_found: true };
        Ok(found.into_iter().map(source).collect())
    }

    pub(super) fn read(&self) -> anyhow::Result<Content> {
        let Some(path) = &self.path else {
            let bytes = bounded(io::stdin().lock()).context("cannot read standard input")?;
            return Ok(Content { bytes, written: None });
        };
        let read = || {
            let file = File::open(path)?;
            let written = file.metadata()?.modified().ok();
            Ok::<_, io::Error>(Content { bytes: bounded(file)?, written })
        };
        read().with_context(|| format!("cannot read {}", self.name))
    }

    /// The file's name without its ending, where that may name an account: tools have names that are always the same.
    pub(super) fn stem(&self) -> Option<String> {
        const USUAL: [&str; 9] = [
            "auth",
            "credentials",
            ".credentials",
            "oauth_creds",
            "token",
            "tokens",
            "kiro-auth-token",
            "creds",
            "application_default_credentials",
        ];
        let stem = self.path.as_ref()?.file_stem()?.to_str()?;
        (!USUAL.contains(&stem)).then(|| stem.to_owned())
    }
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        let is_json =
            path.extension().is_some_and(|end| ["json", "jsonl", "ndjson"].iter().any(|it| end == *it));
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&path, depth + 1, found)?;
        } else if kind.is_file() && is_json {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            bail!("more than {MAX_FILES} files");
        }
    }
    Ok(())
}

fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Exports keep accounts in a folder or two.
const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 10_000;
/// A little more than is taken, so that what is too large is reported as such.
const MAX_BYTES: u64 = 64 * 1024 * 1024 + 1;
