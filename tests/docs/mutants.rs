//! The tests that have to notice known bugs: `xtask/mutants.toml` names them.

use crate::{mention::Mention, sources::document};

/// The tests that each mutant names, by how documents would name them.
fn named() -> Vec<(String, Mention)> {
    let table: toml::Table = document("xtask/mutants.toml").parse().unwrap();
    let catches = |mutant: &toml::Value| mutant.get("catches").and_then(toml::Value::as_array).cloned();
    let mutants = table["mutant"].as_array().unwrap();
    let mut named = Vec::new();
    for catch in mutants.iter().filter_map(catches).flatten() {
        let (krate, target) = catch["binary"].as_str().unwrap().split_once('/').unwrap();
        for test in catch["tests"].as_array().unwrap().iter().map(|test| test.as_str().unwrap()) {
            named.push((
                format!("{krate} {target}: {test}"),
                Mention::in_target(krate, target, test).unwrap(),
            ));
        }
    }
    named
}

#[test]
fn every_test_that_has_to_notice_a_mutant_exists() {
    let named = named();
    assert!(named.len() > 300, "{} tests are named", named.len());
    let gone: Vec<_> = named.iter().filter(|(_, mention)| !mention.exists()).map(|(name, _)| name).collect();
    assert!(gone.is_empty(), "{gone:#?}");
}
