//! The executions that broke earlier rules.

use std::collections::BTreeMap;

use crate::{
    mention::{Mention, mentions},
    sources::{below, document, tests},
};

/// A1 to A23, and B1 to B17.
fn ids() -> impl Iterator<Item = String> {
    let ids = (1..=23).map(|n| ('A', n)).chain((1..=17).map(|n| ('B', n)));
    ids.map(|(letter, n)| format!("{letter}{n}"))
}

/// The tests that each line names.
fn lines() -> BTreeMap<String, Vec<Mention>> {
    let mut lines = BTreeMap::new();
    for line in document("docs/attacks.md").lines() {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, _, shown] = cells[..] else { continue };
        let (mentions, others) = mentions(shown);
        if id != "id" && id != "---" {
            assert!(others.is_empty(), "{id}: no test is called {others:?}");
            assert_eq!(lines.insert(id.to_owned(), mentions), None, "{id} twice");
        }
    }
    lines
}

#[test]
fn every_attack_has_its_line_and_a_test_that_bears_its_id() {
    let lines = lines();
    for id in ids() {
        let mentions = lines.get(&id).unwrap_or_else(|| panic!("{id} has no line"));
        assert!(mentions.iter().any(|mention| mention.bears(&id)), "{id} has no test that bears its id");
    }
    assert_eq!(lines.len(), ids().count(), "{:?}", lines.keys());
}

#[test]
fn every_test_that_bears_the_id_of_an_attack_stands_in_its_line() {
    let lines = lines();
    let sources = [below("crates"), below("tests")];
    for (path, source) in sources.iter().flatten() {
        for test in tests(source) {
            for id in test.ids().filter(|id| !id.contains('-')) {
                let line = lines.get(id).unwrap_or_else(|| panic!("{path}: there is no attack {id}"));
                let named = line.iter().any(|mention| mention.name == test.name);
                assert!(named, "{path}: {} is not in the line of {id}", test.name);
            }
        }
    }
}
