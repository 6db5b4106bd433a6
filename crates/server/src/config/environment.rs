//! Settings in environment variables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use solekey::core::InputError;
use toml::{Table, Value};

use super::keys::{Key, env_form, keys};

/// The environment variables of a process. They may hold secrets: `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// The keys that variables have set: those of a provider with its place in the list, `name` of one that only they know.
#[derive(Default)]
pub(super) struct Overridden(BTreeSet<(Option<usize>, String)>);

impl Environment {
    /// Those of this process. What is not UTF-8 is left out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(text).collect()
    }

    /// A variable's value; an empty one counts as not set.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Writes the values of the variables over those of the file. A variable that cannot be used is a problem.
    pub(super) fn override_settings(
        &self,
        settings: &mut Table,
        problems: &mut Vec<InputError>,
    ) -> Overridden {
        let mut overridden = Overridden::default();
        for key in &keys().general {
            let variable = format!("{PREFIX}{}", key.variable());
            let Some(text) = self.value(&variable) else { continue };
            match key.read(&variable, text) {
                Ok(value) => {
                    key.set(settings, value);
                    overridden.0.insert((None, key.path.clone()));
                }
                Err(problem) => problems.push(problem),
            }
        }
        let providers = settings.entry("provider").or_insert_with(|| Value::Array(Vec::new()));
        // What is no list is refused when the settings are read.
        if let Value::Array(providers) = providers {
            self.override_providers(providers, &mut overridden, problems);
        }
        overridden
    }

    fn override_providers(
        &self,
        providers: &mut Vec<Value>,
        overridden: &mut Overridden,
        problems: &mut Vec<InputError>,
    ) {
        let mut names = Names { of_file: names_of(providers), of_variables: Vec::new() };
        for (rest, _, _) in self.of_providers() {
            names.define(rest);
        }
        for name in &names.of_variables {
            overridden.0.insert((Some(providers.len()), "name".to_owned()));
            providers.push(Value::Table(Table::from_iter([("name".to_owned(), name.as_str().into())])));
        }
        let mut unknown = BTreeSet::new();
        for (rest, variable, text) in self.of_providers() {
            let read = names
                .find(rest, variable)
                .and_then(|(index, key)| Ok((index, key, key.read(variable, text)?)));
            match read {
                Ok((index, key, value)) => {
                    if let Some(Value::Table(provider)) = providers.get_mut(index) {
                        key.set(provider, value);
                        overridden.0.insert((Some(index), key.path.clone()));
                    }
                }
                // A provider that is not there is one problem, however many variables it has.
                Err(problem) => {
                    if unknown.insert(problem.field().to_owned()) {
                        problems.push(problem);
                    }
                }
            }
        }
    }

    /// The variables that set a key of a provider: what follows the prefix, the whole name, the text.
    fn of_providers(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let set = self.0.iter().filter(|(_, text)| !text.is_empty());
        set.filter_map(|(name, text)| Some((name.strip_prefix(PROVIDER)?, name.as_str(), text.as_str())))
    }
}

impl Overridden {
    /// Returns whether a variable has set this key, of the provider at `index` if it is one of a provider.
    pub(super) fn contains(&self, index: Option<usize>, key: &Key) -> bool {
        self.0.contains(&(index, key.path.clone()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

/// The names of the providers, in the order of the list: those of the file, then those that only variables know.
struct Names {
    /// Nothing for an entry without a name.
    of_file: Vec<Option<String>>,
    of_variables: Vec<String>,
}

impl Names {
    /// Notes a provider that the file does not have, if this variable is one that makes it.
    fn define(&mut self, rest: &str) {
        if !self.in_file(rest).is_empty() {
            return;
        }
        let name = DEFINING.iter().find_map(|key| name_before(rest, key)).map(str::to_ascii_lowercase);
        if let Some(name) = name.filter(|name| !self.of_variables.contains(name)) {
            self.of_variables.push(name);
        }
    }

    /// Returns the provider and the key that a variable names.
    fn find(&self, rest: &str, variable: &str) -> Result<(usize, &'static Key), InputError> {
        match self.in_file(rest)[..] {
            [] => {}
            [found] => return Ok(found),
            _ => {
                return Err(InputError::new(variable, "provider names that differ in more than punctuation"));
            }
        }
        let named = keys().variable_of_provider().filter_map(|key| {
            let name = name_before(rest, &key.path)?.to_ascii_lowercase();
            let at = self.of_variables.iter().position(|known| *known == name)?;
            Some((self.of_file.len() + at, key))
        });
        // Where both `x` and `x_fallback` are there, `X_FALLBACK_CLIENT_ID` means the latter.
        named.min_by_key(|(_, key)| key.path.len()).ok_or_else(|| unknown(rest, variable))
    }

    /// The providers of the file that a variable may mean, and the key of each.
    fn in_file(&self, rest: &str) -> Vec<(usize, &'static Key)> {
        let named = self.of_file.iter().enumerate().filter_map(|(index, name)| {
            let key = rest.strip_prefix(&env_form(name.as_deref()?))?.strip_prefix('_')?;
            Some((index, keys().variable_of_provider().find(|known| known.variable() == key)?))
        });
        named.collect()
    }
}

fn names_of(providers: &[Value]) -> Vec<Option<String>> {
    providers.iter().map(|provider| Some(provider.get("name")?.as_str()?.to_owned())).collect()
}

/// The name of a provider before this key.
fn name_before<'a>(rest: &'a str, key: &str) -> Option<&'a str> {
    rest.strip_suffix(&env_form(key))?.strip_suffix('_').filter(|name| !name.is_empty())
}

fn unknown(rest: &str, variable: &str) -> InputError {
    let known = keys().variable_of_provider();
    // The longest key leaves the name that is meant: `x`, and not `x_fallback`, before `FALLBACK_CLIENT_ID`.
    let name = known.filter_map(|key| name_before(rest, &key.path)).min_by_key(|name| name.len());
    if let Some(name) = name {
        return InputError::new(format!("{PROVIDER}{name}_*"), "the name of a configured provider");
    }
    let known: Vec<_> = keys().variable_of_provider().map(Key::variable).collect();
    InputError::new(variable, format!("{PROVIDER}<NAME>_ and one of {}", known.join(", ")))
}

const PREFIX: &str = "SOLEKEY_";
const PROVIDER: &str = "SOLEKEY_PROVIDER_";

/// One of these makes a provider out of environment variables alone.
const DEFINING: [&str; 3] = ["preset", "token_url", "issuer"];
