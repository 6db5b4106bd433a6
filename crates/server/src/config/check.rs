//! The findings of `solekey config check`: every problem, or every value with its origin.

use std::{fmt, path::Path};

use solekey::core::InputError;
use solekey_providers::Preset;
use toml::{Table, Value};

use super::{
    Config, ConfigError, Environment,
    environment::Overridden,
    keys::{Key, Kind, keys},
    provider::{Configured, DEFAULT_PRESET},
    read::{self, Reading},
    span::Span,
    spelled::Values,
};

/// A configuration that can work, as a person reads it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// Every key that has a value, in the order of the page about the configuration.
    pub settings: Vec<Setting>,
    /// Settings that work but should not stay as they are.
    pub warnings: Vec<String>,
}

/// A key and the value that it has in the end.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Setting {
    /// The path to the key, with the provider's name: `provider.acme.max_wait`.
    pub key: String,
    /// The value as TOML; of a secret only `set`.
    pub value: String,
    /// The source of the value.
    pub origin: Origin,
}

/// The source of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// An environment variable.
    Environment,
    /// The file.
    File,
    /// The preset of the provider.
    Preset,
    /// No source: it is the default.
    Default,
    /// Other keys, from which it follows, or a bound that the given value exceeds.
    Derived,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Preset => "preset",
            Self::Default => "default",
            Self::Derived => "derived",
        })
    }
}

/// File and environment together, and the configuration that follows.
pub(super) struct Examined<'a> {
    environment: &'a Environment,
    table: Table,
    overridden: Overridden,
    pub(super) config: Config,
}

impl Config {
    /// Reads file and environment as [`load`](Self::load) does, and finds every problem it can; the URLs of Redis and
    /// PostgreSQL are read, too. Nothing is opened or connected to.
    ///
    /// # Errors
    /// All that [`load`](Self::load) would refuse, one thing after the other, at least one. No error repeats a value.
    pub fn check(file: Option<&Path>, environment: &Environment) -> Result<Checked, Vec<ConfigError>> {
        let text = file.map(read::file).transpose().map_err(|error| vec![error])?.unwrap_or_default();
        let examined = Examined::of(&text, environment)?;
        let problems = examined.config.place.problems();
        if !problems.is_empty() {
            return Err(problems.into_iter().map(ConfigError::from).collect());
        }
        Ok(Checked { settings: examined.settings(), warnings: examined.config.warnings() })
    }
}

impl<'a> Examined<'a> {
    /// Reads the text of a file, and the environment; or returns all that is wrong, which is at least one thing.
    pub(super) fn of(text: &str, environment: &'a Environment) -> Result<Self, Vec<ConfigError>> {
        let mut table = read::table(text).map_err(|error| vec![error])?;
        let mut problems = Vec::new();
        let overridden = environment.override_settings(&mut table, &mut problems);
        let config = match read::settings(table.clone()) {
            Ok(reading) => built(reading, environment, &mut problems),
            Err(unreadable) => {
                problems.extend(unreadable);
                None
            }
        };
        match config {
            Some(config) if problems.is_empty() => Ok(Self { environment, table, overridden, config }),
            _ => Err(problems.into_iter().map(ConfigError::from).collect()),
        }
    }

    fn settings(&self) -> Vec<Setting> {
        let general = keys().general.iter().filter_map(|key| self.general(key));
        let providers = self.config.providers.iter().enumerate();
        let providers = providers.flat_map(|(index, configured)| self.of_provider(index, configured));
        let mirrors = self.list("mirror").iter().enumerate();
        general
            .chain(providers)
            .chain(mirrors.flat_map(|(index, mirror)| self.of_mirror(index, mirror)))
            .collect()
    }

    fn general(&self, key: &Key) -> Option<Setting> {
        let origin = if self.overridden.contains(None, key) { Origin::Environment } else { Origin::File };
        if let Some(own) = key.get(&self.table) {
            return Some(self.setting(key, "", own, origin));
        }
        let default = self.config.defaults().get(&key.path).cloned().or_else(|| off(key))?;
        Some(Setting { key: key.path.clone(), value: default.to_string(), origin: Origin::Default })
    }

    fn of_provider(&self, index: usize, configured: &Configured) -> Vec<Setting> {
        let nothing = Table::new();
        let own = self.list("provider").get(index).and_then(Value::as_table).unwrap_or(&nothing);
        let preset = own.get("preset").and_then(Value::as_str).unwrap_or(DEFAULT_PRESET);
        let brought = Brought { preset: Brought::by(preset), usual: Brought::by(DEFAULT_PRESET) };
        let within = format!("provider.{}.", configured.provider.name());
        let setting = |key: &Key| {
            let (given, last) = (key.get(own), configured.values.get(&key.path));
            let value = last.or(given).cloned().or_else(|| off(key))?;
            let origin = match given {
                Some(given) if usual_form(key, given) != value => Origin::Derived,
                Some(_) if self.overridden.contains(Some(index), key) => Origin::Environment,
                Some(_) => Origin::File,
                None => last.map_or(Origin::Default, |value| brought.origin(key, value)),
            };
            Some(self.setting(key, &within, &value, origin))
        };
        keys().provider.iter().filter_map(setting).collect()
    }

    fn of_mirror(&self, index: usize, mirror: &Value) -> Vec<Setting> {
        let within = format!("mirror.{index}.");
        let of = |key: &Key| Some(self.setting(key, &within, key.get(mirror.as_table()?)?, Origin::File));
        keys().mirror.iter().filter_map(of).collect()
    }

    /// Hides secrets, and text in the place of a variable's name that names none: it may be the secret itself.
    fn setting(&self, key: &Key, within: &str, value: &Value, origin: Origin) -> Setting {
        let is_set =
            |value: &Value| value.as_str().is_some_and(|name| self.environment.value(name).is_some());
        let is_hidden = key.is_secret || key.names_variable() && !is_set(value);
        let value = if is_hidden { "set".to_owned() } else { value.to_string() };
        Setting { key: format!("{within}{}", key.path), value, origin }
    }

    fn list(&self, name: &str) -> &[Value] {
        self.table.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// Builds a configuration of what could be read, and adds the problems that do not follow from known ones.
fn built(reading: Reading, environment: &Environment, problems: &mut Vec<InputError>) -> Option<Config> {
    let Reading { settings, problems: unreadable, spoiled } = reading;
    problems.extend(unreadable);
    match Config::build(settings, environment) {
        Ok(config) => Some(config),
        Err(wrong) => {
            problems.extend(wrong.into_iter().filter(|problem| !spoiled.explains(problem)));
            None
        }
    }
}

/// The values that the keys of a provider have where none is set.
struct Brought {
    preset: Values,
    /// Without a preset.
    usual: Values,
}

impl Brought {
    fn by(preset: &str) -> Values {
        Preset::named(preset).map(|preset| Values::of_preset(&preset)).unwrap_or_default()
    }

    /// Returns the source of a value that is set nowhere.
    fn origin(&self, key: &Key, value: &Value) -> Origin {
        match (self.usual.get(&key.path), self.preset.get(&key.path)) {
            (Some(usual), _) if usual == value => Origin::Default,
            (_, Some(brought)) if brought == value => Origin::Preset,
            _ => Origin::Derived,
        }
    }
}

/// A switch that nobody has set is off.
fn off(key: &Key) -> Option<Value> {
    (key.kind == Kind::Flag).then_some(Value::Boolean(false))
}

/// A duration may be written in several units.
fn usual_form(key: &Key, value: &Value) -> Value {
    let text = value.as_str().filter(|_| key.kind == Kind::Duration);
    let span = text.and_then(|text| Span::try_from(text.to_owned()).ok());
    span.map_or_else(|| value.clone(), |span| Value::String(span.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const FILE: &str = r#"
        state_dir = "/var/lib/solekey"
        [redis]
        url = "redis://:hush@h"
        [[provider]]
        name = "codex"
        preset = "codex"
        [[provider]]
        name = "acme"
        token_url = "https://auth.example/token"
        client_id = "gateway"
        client_secret_env = "SECRET"
        client_auth = "post"
        max_wait = "120s"
        on_lock_held = "wait_for_cache"
        refresh_ahead = "60s"
        refresh_rate = 4000
        replay = "timer"
        [[mirror]]
        provider = "codex"
        account = "alice"
        path = "/home/alice/.codex/auth.json"
    "#;

    fn settings(text: &str, variables: &[(&str, &str)]) -> Vec<Setting> {
        let environment = variables.iter().copied().collect();
        let examined = Examined::of(text, &environment);
        examined.unwrap_or_else(|errors| panic!("{errors:?}")).settings()
    }

    fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let environment = variables.iter().copied().collect();
        let errors = Examined::of(text, &environment).err().expect("refused");
        errors.iter().map(|error| error.field().unwrap_or("?").to_owned()).collect()
    }

    #[test]
    fn every_value_is_shown_with_its_origin() {
        let shown = settings(FILE, &[("SECRET", "hush"), ("SOLEKEY_PROVIDER_ACME_BODY", "json")]);
        let find = |key: &str| {
            let setting = shown.iter().find(|setting| setting.key == key);
            setting.map_or(("nothing", Origin::Default), |setting| (setting.value.as_str(), setting.origin))
        };
        for (key, value, origin) in [
            ("listen", "\"127.0.0.1:8750\"", Origin::Default),
            ("redis.url", "set", Origin::File),
            ("redis.prefix", "\"solekey\"", Origin::Default),
            ("store.url", "\"redis\"", Origin::Default),
            ("store.accept_loss", "false", Origin::Default),
            ("state_dir", "\"/var/lib/solekey\"", Origin::File),
            ("provider.codex.name", "\"codex\"", Origin::File),
            ("provider.codex.client_id", "\"app_EMoamEEZ73f0CkXaXp7hrann\"", Origin::Preset),
            ("provider.codex.refresh_ahead", "\"30m\"", Origin::Preset),
            ("provider.codex.max_wait", "\"8s\"", Origin::Default),
            ("provider.codex.not_processed", "[429]", Origin::Default),
            ("provider.codex.replay", "\"strict_family\"", Origin::Default),
            ("provider.codex.quarantine", "\"1m\"", Origin::Derived),
            ("provider.codex.code_assist_project", "false", Origin::Default),
            ("provider.acme.preset", "\"oauth2\"", Origin::Default),
            ("provider.acme.body", "\"json\"", Origin::Environment),
            ("provider.acme.client_secret_env", "\"SECRET\"", Origin::File),
            ("provider.acme.max_wait", "\"2m\"", Origin::File),
            ("provider.acme.on_lock_held", "\"wait_for_cache\"", Origin::File),
            ("provider.acme.skew", "\"30s\"", Origin::Derived),
            ("provider.acme.refresh_rate", "1000", Origin::Derived),
            ("provider.acme.refresh_concurrency", "4", Origin::Default),
            ("provider.acme.replay", "\"timer\"", Origin::File),
            ("provider.acme.scope", "nothing", Origin::Default),
            ("mirror.0.path", "\"/home/alice/.codex/auth.json\"", Origin::File),
        ] {
            assert_eq!(find(key), (value, origin), "{key}");
        }
        assert!(!format!("{shown:?}").contains("hush"), "{shown:?}");
    }

    #[test]
    fn a_provider_of_variables_is_theirs_whole() {
        let shown =
            settings("", &[("SOLEKEY_PROVIDER_X_PRESET", "codex"), ("SOLEKEY_REDIS_URL", "redis://h")]);
        let of = |origin: Origin| {
            shown
                .iter()
                .filter(|setting| setting.origin == origin)
                .map(|setting| setting.key.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Origin::Environment), ["redis.url", "provider.x.name", "provider.x.preset"]);
        assert_eq!(of(Origin::File), [""; 0]);
    }

    #[test]
    fn a_secret_in_the_place_of_a_variables_name_is_not_shown() {
        let client = "[[provider]]\nname = \"p\"\ntoken_url = \"https://a.example/t\"\nclient_id = \"c\"\n";
        let fallback = "fallback_client_id = \"d\"\nfallback_client_secret_env = \"hush\"";
        let shown = settings(&format!("{client}{fallback}"), &[]);
        let variable = shown.iter().find(|setting| setting.key == "provider.p.fallback_client_secret_env");
        assert_eq!(variable.map(|setting| setting.value.as_str()), Some("set"));
    }

    #[test]
    fn a_default_is_what_the_page_says() {
        let codex = "[[provider]]\nname = \"p\"\ntoken_url = \"https://a.example/t\"\nclient_id = \"c\"\n";
        let shown = settings(&format!("[redis]\nurl = \"redis://h\"\n{codex}"), &[]);
        for Setting { key, value, .. } in shown.iter().filter(|setting| setting.origin == Origin::Default) {
            let path = key.strip_prefix("provider.p.").unwrap_or(key);
            let list = if path == key { &keys().general } else { &keys().provider };
            let known = list.iter().find(|known| known.path == path).unwrap();
            let Some(declared) = known.default.as_deref().and_then(|text| text.strip_prefix('`')) else {
                continue;
            };
            assert_eq!(declared.split('`').next(), Some(value.trim_matches('"')), "{key}");
        }
    }

    #[test]
    fn a_preset_is_what_its_values_in_a_file_would_be() {
        for preset in Preset::all() {
            let values = Values::of_preset(&preset);
            let mut own = Table::from_iter([("name".to_owned(), "p".into())]);
            for key in keys().variable_of_provider() {
                values.get(&key.path).into_iter().for_each(|value| key.set(&mut own, value.clone()));
            }
            own.insert("preset".to_owned(), DEFAULT_PRESET.into());
            let table = Table::from_iter([("provider".to_owned(), Value::Array(vec![own.into()]))]);
            let reading = read::settings(table).unwrap_or_else(|problems| panic!("{problems:?}"));
            assert!(reading.problems.is_empty(), "{}: {:?}", preset.name, reading.problems);
            let settings = &reading.settings.provider[0];
            assert_eq!(
                settings.policy(solekey::core::PolicySettings::default()).unwrap(),
                preset.policy,
                "{}",
                preset.name
            );
            for path in values.paths() {
                assert!(keys().provider.iter().any(|key| key.path == path), "{path} is a key");
            }
        }
    }

    #[test]
    fn every_problem_is_found_and_none_that_follows_from_another() {
        let acme = "[[provider]]\nname = \"acme\"\ntoken_url = \"https://a.example/t\"\nclient_id = \"c\"\n";
        for (text, variables, fields) in [
            (
                format!(
                    "listn = 1\nlisten = \"0.0.0.0:1\"\n{acme}max_wiat = 1\nmax_wait = 8\nnot_processed = [\"x\", \"y\"]\n[seal]\nkey_env = \"ABSENT\""
                ),
                &[
                    ("SOLEKEY_PROVIDER_ACME_REFRESH_RATE", "fast"),
                    ("SOLEKEY_PROVIDER_OTHER_SCOPE", "x"),
                    ("SOLEKEY_PROVIDER_OTHER_BODY", "x"),
                ][..],
                "SOLEKEY_PROVIDER_ACME_REFRESH_RATE SOLEKEY_PROVIDER_OTHER_* listen listn provider.acme.max_wait provider.acme.max_wiat provider.acme.not_processed.0 seal.key_env",
            ),
            // Each part of a provider may have a mistake, and each provider.
            (
                format!(
                    "{acme}max_wait = \"301s\"\nclient_auth = \"basic\"\ncode_assist_project = true\n{}",
                    acme.replace("acme", "two").replace("https", "http")
                ),
                &[],
                "provider.acme.client_secret_env provider.acme.code_assist_project provider.acme.max_wait provider.two.token_url",
            ),
            // Without its preset a provider has no URL, and that is no second problem.
            ("[[provider]]\nname = \"p\"\npreset = 5".to_owned(), &[], "provider.p.preset"),
            (
                "[[provider]]\nname = 5\npreset = \"codex\"\n[[mirror]]\nprovider = \"p\"".to_owned(),
                &[],
                "mirror.0.account mirror.0.path provider.0.name",
            ),
            (format!("[redis]\nurl = 1\n[store]\nurl = \"redis\"\n{acme}"), &[], "redis.url"),
            ("provider = [1]".to_owned(), &[], "provider.0"),
            (String::new(), &[], "provider"),
        ] {
            let mut found = problems(&text, variables);
            found.sort();
            assert_eq!(found.join(" "), fields, "{text}");
        }
    }

    #[test]
    fn urls_are_read_though_nothing_is_connected_to() {
        let folder = std::env::temp_dir();
        let check = |head: &str| {
            let file = folder.join(format!("solekey-check-{}.toml", std::process::id()));
            std::fs::write(&file, format!("{head}\n[[provider]]\nname = \"c\"\npreset = \"codex\"\n"))
                .unwrap();
            let checked = Config::check(Some(&file), &Environment::default());
            std::fs::remove_file(&file).unwrap();
            checked
        };
        for (head, field) in [
            ("[redis]\nurl = \"hush\"", "redis.url"),
            ("[redis]\nurl = \"redis://:hush@h:port\"", "redis.url.port"),
            ("[store]\nurl = \"postgres://u:hush@h/db?pasword=hush\"", "store.url"),
        ] {
            let errors = check(head).unwrap_err();
            assert_eq!(errors.iter().filter_map(ConfigError::field).collect::<Vec<_>>(), [field], "{head}");
            assert!(!format!("{errors:?}").contains("hush"), "{errors:?}");
        }
        let checked = check("[redis]\nurl = \"redis://h\"").unwrap();
        assert_eq!(checked.warnings.len(), 1, "{:?}", checked.warnings);
        let missing = Config::check(Some(Path::new("no/such.toml")), &Environment::default()).unwrap_err();
        assert!(missing[0].to_string().contains("no/such.toml"));
    }
}
