//! Configurations that documents show are configurations that the sidecar accepts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use solekey_server::{Config, Environment};
use solekey_testkit::provider::KeyPair;
use toml::{Table, Value};

#[test]
fn every_configuration_in_the_documents_is_accepted() {
    for (document, least) in [("README.md", 1), ("docs/configuration.md", 4)] {
        let shown = configurations(Path::new(document));
        assert!(shown.len() >= least, "{document}: {} of at least {least} configurations", shown.len());
    }
    for document in documents() {
        for text in configurations(&document) {
            let whole = with_provider(&text);
            let accepted = Config::parse(&whole, &environment(&whole));
            assert!(accepted.is_ok(), "{}: {}\n{text}", document.display(), accepted.unwrap_err());
        }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// README and the pages of `docs`, by their paths from the root.
fn documents() -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let pages = files.map(|name| Path::new("docs").join(name));
    pages.filter(|path| path.extension().is_some_and(|kind| kind == "md")).chain(["README.md".into()])
}

/// The TOML blocks of a document, without those that are a crate's manifest.
fn configurations(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.filter(|block| !block.contains("[dependencies]")).map(str::to_owned).collect()
}

/// An excerpt without a provider, with the one that its mirror names.
fn with_provider(text: &str) -> String {
    let table: Table = text.parse().unwrap();
    let mirrors = table.get("mirror").and_then(Value::as_array);
    match mirrors.and_then(|mirrors| mirrors.first()?.get("provider")?.as_str()) {
        Some(name) if !table.contains_key("provider") => {
            format!("{text}\n[[provider]]\nname = \"{name}\"\npreset = \"{name}\"\n")
        }
        _ => text.to_owned(),
    }
}

/// The variables that a configuration names, each with a value that fits its key.
fn environment(text: &str) -> Environment {
    let settings = text.lines().filter_map(|line| line.split('#').next()?.split_once('='));
    let named = settings.map(|(key, value)| (key.trim(), value.trim().trim_matches('"').to_owned()));
    let variables = named.filter(|(key, _)| key.ends_with("_env")).map(|(key, name)| (name, value_for(key)));
    variables.chain([("HOME".to_owned(), "/home/alice".to_owned())]).collect()
}

fn value_for(key: &str) -> String {
    match key {
        "key_env" => RING.to_owned(),
        _ if key.ends_with("secret_env") => "a secret".to_owned(),
        _ => KeyPair::generate().pem(),
    }
}

const RING: &str = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
