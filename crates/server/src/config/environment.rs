//! Settings in environment variables.

use std::{collections::BTreeMap, fmt};

use solekey::core::InputError;
use toml::{Table, Value};

/// The environment variables of a process. They may hold secrets: `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

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

    /// Writes what the variables say over what the file said.
    pub(super) fn override_settings(&self, settings: &mut Table) -> Result<(), InputError> {
        for (variable, key) in VARIABLES {
            if let Some(text) = self.value(variable) {
                set(settings, key, read(variable, key, text)?);
            }
        }
        let providers = settings.entry("provider").or_insert_with(|| Value::Array(Vec::new()));
        // What is no list is refused when the settings are read.
        let Value::Array(providers) = providers else { return Ok(()) };
        self.override_providers(providers)
    }

    fn override_providers(&self, providers: &mut Vec<Value>) -> Result<(), InputError> {
        let from_file = providers.len();
        for (variable, text) in &self.0 {
            let Some(rest) = variable.strip_prefix(PROVIDER) else { continue };
            if text.is_empty() {
                continue;
            }
            let (index, key) = match of_known(&providers[..from_file], rest, variable)? {
                Some(found) => found,
                None => of_new(providers, from_file, rest, variable)?,
            };
            if let Value::Table(provider) = &mut providers[index] {
                set(provider, key, read(variable, key, text)?);
            }
        }
        let whole = |provider: &Value| DEFINING.iter().any(|key| provider.get(key).is_some());
        match providers[from_file..].iter().find(|provider| !whole(provider)) {
            Some(provider) => {
                let name = env_form(name_of(provider).unwrap_or_default());
                Err(InputError::new(format!("{PROVIDER}{name}_*"), "the name of a configured provider"))
            }
            None => Ok(()),
        }
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

/// The provider of the file and the key that a variable speaks of.
fn of_known(
    providers: &[Value],
    rest: &str,
    variable: &str,
) -> Result<Option<(usize, &'static str)>, InputError> {
    let named = providers.iter().enumerate().filter_map(|(index, provider)| {
        let key = rest.strip_prefix(&env_form(name_of(provider)?))?.strip_prefix('_')?;
        Some((index, key_of(key)?))
    });
    let named: Vec<_> = named.collect();
    match named[..] {
        [] => Ok(None),
        [found] => Ok(Some(found)),
        _ => Err(InputError::new(variable, "provider names that differ in more than punctuation")),
    }
}

/// The provider that only the environment knows, added where it is not there yet.
fn of_new(
    providers: &mut Vec<Value>,
    from_file: usize,
    rest: &str,
    variable: &str,
) -> Result<(usize, &'static str), InputError> {
    let ends = |key: &&&str| rest.strip_suffix(&env_form(key)).is_some_and(|name| name.ends_with('_'));
    let unknown = || {
        let keys = PROVIDER_KEYS.map(env_form).join(", ");
        InputError::new(variable, format!("{PROVIDER}<NAME>_ and one of {keys}"))
    };
    let key = PROVIDER_KEYS.iter().find(ends).ok_or_else(unknown)?;
    let name = rest[..rest.len() - key.len() - 1].to_ascii_lowercase();
    if name.is_empty() {
        return Err(unknown());
    }
    let known = providers[from_file..].iter().position(|provider| name_of(provider) == Some(&name));
    let index = known.map_or(providers.len(), |index| from_file + index);
    if known.is_none() {
        providers.push(Value::Table(Table::from_iter([("name".to_owned(), Value::String(name))])));
    }
    Ok((index, key))
}

fn name_of(provider: &Value) -> Option<&str> {
    provider.get("name")?.as_str()
}

fn key_of(env: &str) -> Option<&'static str> {
    PROVIDER_KEYS.into_iter().find(|key| env_form(key) == env)
}

/// `acme-eu` and `lease.ttl` as variables spell them: `ACME_EU`, `LEASE_TTL`.
fn env_form(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn read(variable: &str, key: &str, text: &str) -> Result<Value, InputError> {
    let refused = |expected| InputError::new(variable, expected);
    match key.rsplit('.').next() {
        Some("refresh_rate" | "refresh_concurrency") => {
            text.parse().map(Value::Integer).map_err(|_| refused("a whole number"))
        }
        Some("accept_loss" | "code_assist_project" | "issuer_of_account") => {
            text.parse().map(Value::Boolean).map_err(|_| refused("true or false"))
        }
        Some("not_processed") => {
            let statuses: Result<Vec<_>, _> = text.split(',').map(|status| status.trim().parse()).collect();
            let statuses = statuses.map_err(|_| refused("statuses separated by commas"))?;
            Ok(Value::Array(statuses.into_iter().map(Value::Integer).collect()))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((outer, inner)) => {
            // What is no table is refused when the settings are read.
            if let Value::Table(table) = table.entry(outer).or_insert_with(|| Value::Table(Table::new())) {
                set(table, inner, value);
            }
        }
    }
}

const PROVIDER: &str = "SOLEKEY_PROVIDER_";

const VARIABLES: [(&str, &str); 8] = [
    ("SOLEKEY_LISTEN", "listen"),
    ("SOLEKEY_STATE_DIR", "state_dir"),
    ("SOLEKEY_REDIS_URL", "redis.url"),
    ("SOLEKEY_REDIS_PREFIX", "redis.prefix"),
    ("SOLEKEY_STORE_URL", "store.url"),
    ("SOLEKEY_STORE_STATE_DIR", "store.state_dir"),
    ("SOLEKEY_STORE_ACCEPT_LOSS", "store.accept_loss"),
    ("SOLEKEY_SEAL_KEY_ENV", "seal.key_env"),
];

/// None of them ends like another one, which is what makes names and keys separable.
pub(super) const PROVIDER_KEYS: [&str; 35] = [
    "preset",
    "token_url",
    "issuer",
    "issuer_of_account",
    "client_id",
    "client_auth",
    "client_secret_env",
    "client_key_env",
    "client_key_id",
    "client_older_key_env",
    "client_older_key_id",
    "dpop_key_env",
    "body",
    "scope",
    "replay",
    "grace",
    "refresh_ahead",
    "refresh_concurrency",
    "refresh_rate",
    "exchange_timeout",
    "not_processed",
    "on_lock_held",
    "max_wait",
    "lease.ttl",
    "quarantine",
    "skew",
    "in_doubt",
    "stale",
    "on_refresh_error",
    "accept_loss",
    "fallback_client_id",
    "fallback_client_secret_env",
    "assumed_lifetime",
    "refresh_life",
    "code_assist_project",
];

/// One of these makes a provider out of environment variables alone.
const DEFINING: [&str; 3] = ["preset", "token_url", "issuer"];
