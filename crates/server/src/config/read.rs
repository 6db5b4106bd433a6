//! From text to settings, with errors that name the key and never quote a value.

use std::{fmt::Write as _, io, path::Path};

use serde_path_to_error::Segment;
use solekey::core::InputError;
use toml::{Table, Value};

use super::settings::Settings;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A key is unknown, or its value cannot work.
    #[error(transparent)]
    Key(#[from] InputError),
}

impl ConfigError {
    /// The key at fault, with the path to it.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Key(error) => Some(error.field()),
            Self::Read { .. } | Self::Syntax { .. } => None,
        }
    }
}

pub(super) fn file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.display().to_string(), source })
}

pub(super) fn table(text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let problem = error.message().lines().next().unwrap_or_default().to_owned();
        ConfigError::Syntax { line: before.matches('\n').count() + 1, problem }
    })
}

pub(super) fn settings(table: Table) -> Result<Settings, InputError> {
    let names: Vec<Option<String>> = provider_names(&table);
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let problem = error.inner().message();
        let mut path = shown(error.path(), &names);
        if let Some(missing) = problem.strip_prefix("missing field ") {
            let _ = write!(path, "{}{}", if path.is_empty() { "" } else { "." }, missing.trim_matches('`'));
        }
        InputError::new(path, expected(problem))
    })
}

fn provider_names(table: &Table) -> Vec<Option<String>> {
    let providers = table.get("provider").and_then(Value::as_array);
    let name = |provider: &Value| Some(provider.get("name")?.as_str()?.to_owned());
    providers.into_iter().flatten().map(name).collect()
}

/// The path to a key; providers go by name, what else there are several of by number.
fn shown(path: &serde_path_to_error::Path, names: &[Option<String>]) -> String {
    let first = path.iter().next();
    let is_provider = matches!(first, Some(Segment::Map { key }) if key == "provider");
    let names = if is_provider { names } else { &[] };
    let part = |segment: &Segment| match segment {
        Segment::Map { key } => Some(key.clone()),
        Segment::Seq { index } => {
            Some(names.get(*index).cloned().flatten().unwrap_or_else(|| index.to_string()))
        }
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    let parts: Vec<_> = path.iter().filter_map(part).collect();
    parts.join(".")
}

/// What was expected: the reader's message up to there may quote what it found, and that may be a password.
fn expected(problem: &str) -> String {
    if problem.starts_with("missing field") {
        return "to be given".to_owned();
    }
    match problem.rsplit_once("expected ") {
        Some((found, expected)) if found.starts_with("unknown field") => format!("a known key: {expected}"),
        Some((_, expected)) => expected.to_owned(),
        None => "another value".to_owned(),
    }
}
