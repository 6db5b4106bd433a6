//! From text to settings, with errors that name the key and never quote a value.

use std::{io, path::Path};

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

/// The settings in a table as far as they could be read, and the problems with the rest.
pub(super) struct Reading {
    pub(super) settings: Settings,
    pub(super) problems: Vec<InputError>,
    pub(super) spoiled: Spoiled,
}

/// The tables in which something could not be read: what else is wrong there may follow from that.
#[derive(Default)]
pub(super) struct Spoiled(Vec<String>);

impl Spoiled {
    /// Returns whether a problem may follow from one that is known.
    pub(super) fn explains(&self, problem: &InputError) -> bool {
        let is_in = |table: &String| {
            let rest = problem.field().strip_prefix(table.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.0.iter().any(is_in)
    }
}

/// Reads settings. A value that cannot be read is taken out, so that the rest can be; where that is not possible there are
/// only problems.
pub(super) fn settings(mut table: Table) -> Result<Reading, Vec<InputError>> {
    let names = provider_names(&table);
    let (mut problems, mut spoiled) = (Vec::new(), Spoiled::default());
    loop {
        let error = match serde_path_to_error::deserialize(Value::Table(table.clone())) {
            Ok(settings) => return Ok(Reading { settings, problems, spoiled }),
            Err(error) => error,
        };
        let (problem, steps) = (error.inner().message(), steps(error.path()));
        let missing = problem.strip_prefix("missing field ").map(|field| field.trim_matches('`'));
        let path = shown(&steps, &names);
        let of_missing =
            missing.map(|field| if path.is_empty() { field.into() } else { format!("{path}.{field}") });
        let problem = InputError::new(of_missing.unwrap_or(path), expected(problem));
        // A name of a wrong type is taken out, and then it is missing.
        if problems.iter().all(|known: &InputError| known.field() != problem.field()) {
            problems.push(problem);
        }
        let mended = match missing {
            None => take_out(&mut table, &steps),
            Some(field) => put_in(&mut table, &steps, field),
        };
        if !mended || problems.len() == MAX_PROBLEMS {
            return Err(problems);
        }
        spoiled.0.extend(spoils(&steps, missing.is_some(), &names));
    }
}

/// One step on the way to a value.
#[derive(Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

/// Removes what is at the end of the way, or what holds it on the way and is no table.
fn take_out(table: &mut Table, steps: &[Step]) -> bool {
    let Some((last, way)) = steps.split_last() else { return false };
    innermost(table, way, &|table, rest| match rest.first().unwrap_or(last) {
        Step::Key(key) => table.remove(key).is_some(),
        Step::Index(_) => false,
    })
}

/// Adds a field that is missing at the end of the way: all that are required are text.
fn put_in(table: &mut Table, steps: &[Step], field: &str) -> bool {
    innermost(table, steps, &|table, rest| {
        rest.is_empty() && table.insert(field.to_owned(), Value::String(String::new())).is_none()
    })
}

/// Changes the last table on the way, which is handed what is left of the way.
fn innermost(table: &mut Table, steps: &[Step], change: &dyn Fn(&mut Table, &[Step]) -> bool) -> bool {
    let (next, rest) = match steps {
        [Step::Key(key), Step::Index(index), rest @ ..] => {
            (table.get_mut(key).and_then(|list| list.get_mut(*index)), rest)
        }
        [Step::Key(key), rest @ ..] => (table.get_mut(key), rest),
        _ => (None, steps),
    };
    match next {
        Some(Value::Table(next)) => innermost(next, rest, change),
        _ => change(table, steps),
    }
}

/// Returns the tables whose keys are checked together with the one at the end of the way.
fn spoils(steps: &[Step], missing: bool, names: &[Option<String>]) -> Vec<String> {
    match steps {
        [Step::Key(key), Step::Index(_), _, ..] if key == "provider" && !missing => {
            vec![shown(&steps[..2], names)]
        }
        [Step::Key(key), ..] if ["redis", "store", "state_dir"].contains(&key.as_str()) => {
            ["redis", "store", "state_dir"].map(str::to_owned).to_vec()
        }
        // An entry without a name may be any provider, also one that a mirror names.
        [Step::Key(key), ..] if key == "provider" => vec![key.clone(), "mirror".to_owned()],
        [Step::Key(key), ..] => vec![key.clone()],
        _ => Vec::new(),
    }
}

fn provider_names(table: &Table) -> Vec<Option<String>> {
    let providers = table.get("provider").and_then(Value::as_array);
    let name = |provider: &Value| Some(provider.get("name")?.as_str()?.to_owned());
    providers.into_iter().flatten().map(name).collect()
}

/// The path to a key; providers go by name, what else there are several of by number.
fn shown(steps: &[Step], names: &[Option<String>]) -> String {
    let is_of_provider = matches!(steps, [Step::Key(key), ..] if key == "provider");
    let part = |(at, step): (usize, &Step)| match step {
        Step::Key(key) => key.clone(),
        Step::Index(index) => {
            let name = names.get(*index).cloned().flatten().filter(|_| is_of_provider && at == 1);
            name.unwrap_or_else(|| index.to_string())
        }
    };
    steps.iter().enumerate().map(part).collect::<Vec<_>>().join(".")
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

/// More than anybody mends at once.
const MAX_PROBLEMS: usize = 100;
