//! The tables of `docs/configuration.md`, which follow from the list of keys.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use solekey_providers::Preset;
use toml::Value;

use super::{
    keys::{Key, Kind, keys},
    provider::DEFAULT_PRESET,
    spelled::Values,
};

/// The tables; each stands between `<!-- keys: NAME -->` and [`END`].
const TABLES: [&str; 6] = ["general", "provider", "signing", "mirror", "expert", "environment"];
const END: &str = "<!-- end of keys -->";
/// Set, the test writes the tables.
const BLESS: &str = "SOLEKEY_BLESS";

fn begin(table: &str) -> String {
    format!("<!-- keys: {table} -->")
}

fn keys_of(table: &str) -> Vec<&'static Key> {
    let (general, provider) = (keys().general.iter(), keys().provider.iter());
    let of = |key: &&Key, section: Option<&str>| key.section.as_deref() == section;
    match table {
        "general" => general.filter(|key| of(key, None)).collect(),
        "provider" => provider.filter(|key| of(key, None)).collect(),
        "mirror" => keys().mirror.iter().collect(),
        section => general.chain(provider).filter(|key| of(key, Some(section))).collect(),
    }
}

fn lines(table: &str) -> Vec<String> {
    if table == "environment" {
        let row = |key: &Key| format!("| `SOLEKEY_{}` | `{}` |", key.variable(), key.path);
        return ["| variable | key |", "| --- | --- |"]
            .map(str::to_owned)
            .into_iter()
            .chain(keys().general.iter().map(row))
            .collect();
    }
    let head = ["| key | default | meaning |", "| --- | --- | --- |"].map(str::to_owned);
    let row = |key: &Key| format!("| `{}` | {} | {} |", key.path, default(key), key.text);
    head.into_iter().chain(keys_of(table).into_iter().map(row)).collect()
}

/// The default in words: as it is declared, else as the presets have it.
fn default(key: &Key) -> String {
    let brought = |preset: Preset| Values::of_preset(&preset).get(&key.path).cloned();
    let usual = Preset::named(DEFAULT_PRESET).ok().and_then(brought);
    let is_of_provider = keys().provider.iter().any(|known| std::ptr::eq(known, key));
    let others = is_of_provider && Preset::all().into_iter().any(|preset| brought(preset) != usual);
    match (&key.default, usual.filter(|_| is_of_provider)) {
        (Some(declared), _) => declared.clone(),
        _ if key.is_required => "required".to_owned(),
        (None, Some(usual)) if others => format!("`{}`, or the preset's", plain(&usual)),
        (None, Some(usual)) => format!("`{}`", plain(&usual)),
        (None, None) if others => "the preset's".to_owned(),
        (None, None) if key.kind == Kind::Flag => "`false`".to_owned(),
        (None, None) => "none".to_owned(),
    }
}

/// Text without its quotation marks.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The page with its tables as they should be.
fn written(page: &str) -> String {
    TABLES.into_iter().fold(page.to_owned(), |page, table| {
        let begin = begin(table);
        let parts =
            page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) = parts.unwrap_or_else(|| panic!("the page has no place for {begin}"));
        format!("{before}{begin}\n{}\n{END}{after}", lines(table).join("\n"))
    })
}

#[test]
fn the_page_lists_every_key_as_it_is_declared() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let right = written(&page);
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, &right).unwrap();
        return;
    }
    let wrong: Vec<_> = right.lines().filter(|line| !page.lines().any(|known| known == *line)).collect();
    assert!(
        page == right,
        "docs/configuration.md does not list the keys as config/settings.rs declares them. Write its tables with\n\
         {BLESS}=1 cargo test -p solekey-server the_page_lists_every_key\nThese lines are not there:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_key_has_a_text_and_stands_in_one_table() {
    let listed: Vec<_> =
        TABLES.into_iter().filter(|table| *table != "environment").flat_map(keys_of).collect();
    for key in keys().general.iter().chain(&keys().provider).chain(&keys().mirror) {
        assert!(!key.text.is_empty() && !key.text.contains('|'), "{}: {:?}", key.path, key.text);
        let times = listed.iter().filter(|known| std::ptr::eq(**known, key)).count();
        assert_eq!(times, 1, "{} is listed {times} times: {:?}", key.path, key.section);
    }
}
