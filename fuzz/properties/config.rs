//! The configuration of the server: a file and variables.

use solekey_server::{Config, ConfigError, Environment};
use toml::{Table, Value};

/// The text of a file; behind a line `%%` variables, one `NAME=value` per line.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (file, variables) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let variables: Vec<_> = variables.lines().filter_map(|line| line.split_once('=')).collect();
    let environment: Environment = variables.iter().copied().collect();

    match Config::parse(file, &environment) {
        Ok(config) => reads_the_same_again(file, &environment, &config),
        Err(error) => quotes_nothing(file, &variables, &error),
    }
    hides_what_stands_in_a_broken_file(file, &environment);
}

fn reads_the_same_again(file: &str, environment: &Environment, config: &Config) {
    let table: Table = file.parse().expect("it was read");
    let written = toml::to_string(&table).expect("a table");
    let again = Config::parse(&written, environment).expect("the same settings");
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
    assert_eq!((again.coordination(), again.warnings()), (config.coordination(), config.warnings()));

    if let Some(password) = password(&table) {
        assert!(
            password.len() < LONG || !format!("{config:?}").contains(password),
            "the password is printed"
        );
    }
}

/// Of `redis://:password@host`.
fn password(table: &Table) -> Option<&str> {
    let url = table.get("redis")?.get("url")?.as_str()?;
    Some(url.split_once("://:")?.1.rsplit_once('@')?.0)
}

fn quotes_nothing(file: &str, variables: &[(&str, &str)], error: &ConfigError) {
    let message = format!("{error} {error:?}");
    let Ok(table) = file.parse::<Table>() else { return };
    let (mut shown, mut values) = (Vec::new(), Vec::new());
    strings(&Value::Table(table), None, &mut shown, &mut values);
    shown.extend(variables.iter().map(|(name, _)| (*name).to_owned()));
    values.extend(variables.iter().map(|(_, value)| (*value).to_owned()));
    for value in values {
        let is_shown = shown.iter().any(|name| name.contains(&value));
        assert!(value.len() < LONG || is_shown || !message.contains(&value), "{value} is quoted");
    }
}

/// Keys and the names of providers are shown, values are not.
fn strings(value: &Value, key: Option<&str>, shown: &mut Vec<String>, values: &mut Vec<String>) {
    match value {
        Value::String(text) if key == Some("name") => shown.push(text.clone()),
        Value::String(text) => values.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| strings(one, key, shown, values)),
        Value::Table(table) => table.iter().for_each(|(key, value)| {
            shown.push(key.clone());
            strings(value, Some(key), shown, values);
        }),
        _ => {}
    }
}

/// A file with a mistake anywhere still has its passwords in it.
fn hides_what_stands_in_a_broken_file(file: &str, environment: &Environment) {
    for broken in [
        format!("[redis]\nurl = \"{SECRET}\"\n{file}"),
        format!("[redis]\nurl = {SECRET}\n{file}"),
        format!("{file}\n[redis]\nurl = \"{SECRET}\" {SECRET}\n"),
        format!("{file}\n[redis]\nurl = \"{SECRET}\n"),
        format!("{file}\n[[provider]]\nname = \"x\"\nlease = \"{SECRET}\"\n"),
    ] {
        if let Err(error) = Config::parse(&broken, environment) {
            let message = format!("{error} {error:?}");
            assert!(!message.contains("hush"), "{message}");
        }
    }
}

const SECRET: &str = "redis://:hush-hush-hush@127.0.0.1";
/// Shorter strings may stand in our own sentences.
const LONG: usize = 24;
