//! The list of keys, which the environment, `config check` and the page about the configuration work from.

use std::sync::LazyLock;

use serde_json::Value as Json;
use solekey::core::InputError;
use toml::{Table, Value};

use super::{schema, span};

/// Every key of the configuration, in the order of their declaration.
pub(super) struct Keys {
    /// Those that stand once, with the table they are in: `listen`, `redis.url`.
    pub(super) general: Vec<Key>,
    /// Those of a `[[provider]]`.
    pub(super) provider: Vec<Key>,
    /// Those of a `[[mirror]]`.
    pub(super) mirror: Vec<Key>,
}

/// One key, as [`settings`](super::settings) declares it.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name, below its own table if it has one: `max_wait`, `lease.ttl`.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// Its value may hold a password.
    pub(super) is_secret: bool,
    /// Its table means nothing without it.
    pub(super) is_required: bool,
    /// The default, in Markdown, where it cannot be computed.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page, which a test writes"))]
    pub(super) default: Option<String>,
    /// The table of the page that shows it, if not the general one.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page, which a test writes"))]
    pub(super) section: Option<String>,
    /// The text for people, in Markdown.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page, which a test writes"))]
    pub(super) text: String,
}

/// The values that a key takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    /// One of these words.
    Choice(Vec<String>),
    Duration,
    Flag,
    Number,
    Numbers,
    Texts,
}

/// Returns the list, which is made once.
pub(super) fn keys() -> &'static Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::of(&schema::annotated().into()));
    &KEYS
}

impl Keys {
    fn of(schema: &Json) -> Self {
        let table = |schema: &Json| {
            let mut keys = Vec::new();
            collect(schema, "", &mut keys);
            keys
        };
        let each = |list: &str| table(&schema["properties"][list]["items"]);
        Self { general: table(schema), provider: each("provider"), mirror: each("mirror") }
    }

    /// Returns the keys of a provider that a variable can set: all but its name, by which variables find it.
    pub(super) fn variable_of_provider(&self) -> impl Iterator<Item = &Key> {
        self.provider.iter().filter(|key| !key.is_required)
    }
}

impl Key {
    fn of(path: String, schema: &Json, is_required: bool) -> Self {
        let text = |word: &str| schema[word].as_str().map(str::to_owned);
        let words = text("description").unwrap_or_default();
        Self {
            path,
            kind: Kind::of(schema),
            is_secret: schema["writeOnly"] == true,
            is_required,
            default: text("x-default"),
            section: text("x-section"),
            text: words.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// Returns the variable that sets it, without the common prefix: `LEASE_TTL` for `lease.ttl`.
    pub(super) fn variable(&self) -> String {
        env_form(&self.path)
    }

    /// Reads the text of a variable.
    pub(super) fn read(&self, variable: &str, text: &str) -> Result<Value, InputError> {
        let refused = |expected| InputError::new(variable, expected);
        match self.kind {
            Kind::Text | Kind::Choice(_) | Kind::Duration => Ok(Value::String(text.to_owned())),
            Kind::Flag => text.parse().map(Value::Boolean).map_err(|_| refused("true or false")),
            Kind::Number => text.parse().map(Value::Integer).map_err(|_| refused("a whole number")),
            Kind::Numbers => {
                let numbers: Result<Vec<_>, _> =
                    text.split(',').map(|number| number.trim().parse()).collect();
                let numbers = numbers.map_err(|_| refused("whole numbers separated by commas"))?;
                Ok(Value::Array(numbers.into_iter().map(Value::Integer).collect()))
            }
            Kind::Texts => {
                let texts = text.split(',').map(|text| Value::String(text.trim().to_owned()));
                Ok(Value::Array(texts.collect()))
            }
        }
    }

    /// Returns whether its value is the name of an environment variable.
    pub(super) fn names_variable(&self) -> bool {
        self.path.ends_with("_env")
    }

    /// Returns its value in a table.
    pub(super) fn get<'a>(&self, table: &'a Table) -> Option<&'a Value> {
        let mut steps = self.path.split('.');
        let first = table.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }

    /// Writes its value into a table. What stands there and is no table is refused when the settings are read.
    pub(super) fn set(&self, table: &mut Table, value: Value) {
        set(table, &self.path, value);
    }
}

impl Kind {
    fn of(schema: &Json) -> Self {
        let choices = choices(schema);
        match schema["type"].as_str() {
            Some("boolean") => Self::Flag,
            Some("integer") => Self::Number,
            Some("array") if schema["items"]["type"] == "string" => Self::Texts,
            Some("array") => Self::Numbers,
            _ if schema["pattern"] == span::PATTERN => Self::Duration,
            _ if !choices.is_empty() => Self::Choice(choices),
            _ => Self::Text,
        }
    }
}

/// `acme-eu` and `lease.ttl` as variables spell them: `ACME_EU`, `LEASE_TTL`.
pub(super) fn env_form(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((outer, inner)) => {
            if let Value::Table(table) = table.entry(outer).or_insert_with(|| Value::Table(Table::new())) {
                set(table, inner, value);
            }
        }
    }
}

fn collect(schema: &Json, within: &str, keys: &mut Vec<Key>) {
    let list = |word: &str| schema[word].as_array().into_iter().flatten().filter_map(Json::as_str);
    for name in list("x-order") {
        let property = &schema["properties"][name];
        let path = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        if property["properties"].is_object() {
            collect(property, &path, keys);
        } else if !property["items"]["properties"].is_object() {
            let is_required = list("required").any(|required| required == name);
            keys.push(Key::of(path, property, is_required));
        }
    }
}

/// The words that a schema allows, whether or not each has a text of its own.
fn choices(schema: &Json) -> Vec<String> {
    let of = |schema: &Json| {
        let words = schema["enum"].as_array().cloned().unwrap_or_default();
        words.into_iter().chain(schema.get("const").cloned()).collect::<Vec<_>>()
    };
    let each = schema["oneOf"].as_array().into_iter().flatten().flat_map(of);
    of(schema).into_iter().chain(each).filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{
        super::{Environment, read},
        *,
    };

    /// The file over which variables are tried.
    const FILE: &str = "[redis]\nurl = \"redis://h\"\n[[provider]]\nname = \"acme-eu\"\n";

    /// A value of the kind, as a variable has it.
    fn sample(key: &Key) -> String {
        match &key.kind {
            Kind::Text if key.path == "listen" => "127.0.0.1:1".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Choice(words) => words.last().unwrap().clone(),
            Kind::Duration => "7s".to_owned(),
            Kind::Flag => "true".to_owned(),
            Kind::Number => "7".to_owned(),
            Kind::Numbers => "429, 503".to_owned(),
            Kind::Texts => "a.internal, 10.0.0.7".to_owned(),
        }
    }

    fn variables_of(provider: &str) -> impl Iterator<Item = (String, String)> {
        let keys = keys().variable_of_provider();
        keys.map(move |key| (format!("SOLEKEY_PROVIDER_{provider}_{}", key.variable()), sample(key)))
    }

    /// The file with variables over it; each of them can be read.
    fn overridden(file: &str, variables: impl IntoIterator<Item = (String, String)>) -> Table {
        let (mut table, mut problems) = (file.parse().unwrap(), Vec::new());
        Environment::from_iter(variables).override_settings(&mut table, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let reading = read::settings(table.clone()).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(reading.problems.is_empty(), "{:?}", reading.problems);
        table
    }

    fn provider(table: &Table, index: usize) -> &Table {
        table["provider"][index].as_table().unwrap()
    }

    #[test]
    fn every_variable_reaches_its_field() {
        for key in &keys().general {
            let variable = format!("SOLEKEY_{}", key.variable());
            let table = overridden(FILE, [(variable.clone(), sample(key))]);
            assert_eq!(key.get(&table), Some(&key.read("", &sample(key)).unwrap()), "{variable}");
        }
        for (key, (variable, text)) in keys().variable_of_provider().zip(variables_of("ACME_EU")) {
            let table = overridden(FILE, [(variable.clone(), text.clone())]);
            assert_eq!(key.get(provider(&table, 0)), Some(&key.read("", &text).unwrap()), "{variable}");
        }
    }

    #[test]
    fn a_provider_that_only_variables_know_has_every_key() {
        let table = overridden("", variables_of("X"));
        assert_eq!(table["provider"].as_array().unwrap().len(), 1);
        for key in &keys().provider {
            assert!(key.get(provider(&table, 0)).is_some(), "{}", key.path);
        }
    }

    #[test]
    fn of_two_providers_that_only_variables_know_the_longer_name_is_meant() {
        let table = overridden(
            "",
            [
                ("SOLEKEY_PROVIDER_X_FALLBACK_PRESET".to_owned(), "codex".to_owned()),
                ("SOLEKEY_PROVIDER_X_FALLBACK_CLIENT_ID".to_owned(), "c".to_owned()),
                ("SOLEKEY_PROVIDER_X_PRESET".to_owned(), "codex".to_owned()),
            ],
        );
        let named = |name: &str| {
            let providers = table["provider"].as_array().unwrap().iter();
            providers.filter_map(Value::as_table).find(|known| known["name"].as_str() == Some(name)).unwrap()
        };
        assert_eq!(named("x_fallback")["client_id"].as_str(), Some("c"));
        assert!(!named("x").contains_key("fallback_client_id"));
    }

    #[test]
    fn variables_that_people_have_set_are_still_there() {
        let general: Vec<_> = keys().general.iter().map(Key::variable).collect();
        for known in [
            "LISTEN",
            "HOSTS",
            "STATE_DIR",
            "REDIS_URL",
            "REDIS_PREFIX",
            "STORE_URL",
            "STORE_STATE_DIR",
            "STORE_ACCEPT_LOSS",
            "SEAL_KEY_ENV",
        ] {
            assert!(general.iter().any(|variable| variable == known), "{known}");
        }
        let of_provider: Vec<_> = keys().variable_of_provider().map(Key::variable).collect();
        for known in [
            "PRESET TOKEN_URL ISSUER ISSUER_OF_ACCOUNT CLIENT_ID CLIENT_AUTH CLIENT_SECRET_ENV CLIENT_KEY_ENV",
            "CLIENT_KEY_ID CLIENT_OLDER_KEY_ENV CLIENT_OLDER_KEY_ID DPOP_KEY_ENV BODY SCOPE REPLAY GRACE",
            "REFRESH_AHEAD REFRESH_CONCURRENCY REFRESH_RATE EXCHANGE_TIMEOUT NOT_PROCESSED ON_LOCK_HELD MAX_WAIT",
            "LEASE_TTL QUARANTINE SKEW IN_DOUBT STALE ON_REFRESH_ERROR ACCEPT_LOSS FALLBACK_CLIENT_ID",
            "FALLBACK_CLIENT_SECRET_ENV ASSUMED_LIFETIME REFRESH_LIFE CODE_ASSIST_PROJECT",
        ]
        .iter()
        .flat_map(|line| line.split(' '))
        {
            assert!(of_provider.iter().any(|variable| variable == known), "{known}");
        }
    }

    #[test]
    fn what_may_hold_a_password_is_marked_and_so_is_what_few_need() {
        let all = || keys().general.iter().chain(&keys().provider);
        let paths = |chosen: fn(&Key) -> bool| {
            all().filter(|key| chosen(key)).map(|key| key.path.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(paths(|key| key.is_secret), ["redis.url", "store.url"]);
        assert_eq!(
            paths(|key| key.section.as_deref() == Some("expert")),
            [
                "store.accept_loss",
                "answers.log_in",
                "answers.our_fault",
                "answers.later",
                "answers.code_at",
                "answers.text_at",
                "answers.at",
                "lease.ttl",
                "quarantine",
                "skew",
                "in_doubt",
                "stale",
                "on_refresh_error",
                "accept_loss"
            ]
        );
    }

    #[test]
    fn each_key_has_the_kind_of_its_type() {
        let kind = |path: &str| {
            let key = keys().general.iter().chain(&keys().provider).find(|key| key.path == path);
            key.unwrap_or_else(|| panic!("{path}")).kind.clone()
        };
        assert_eq!(kind("listen"), Kind::Text);
        assert_eq!(kind("state_dir"), Kind::Text);
        assert_eq!(kind("store.accept_loss"), Kind::Flag);
        assert_eq!(kind("lease.ttl"), Kind::Duration);
        assert_eq!(kind("refresh_rate"), Kind::Number);
        assert_eq!(kind("not_processed"), Kind::Numbers);
        assert_eq!(kind("hosts"), Kind::Texts);
        assert_eq!(kind("body"), Kind::Choice(vec!["form".to_owned(), "json".to_owned()]));
        let Kind::Choice(words) = kind("stale") else { panic!("words with a text each") };
        assert_eq!(words, ["serve", "while_refreshing", "refuse"]);
        let Kind::Choice(presets) = kind("preset") else { panic!("the names of presets") };
        assert!(presets.contains(&"codex".to_owned()));
    }
}
