//! The executions that broke earlier rules.

use std::collections::BTreeMap;

use crate::{
    mention::{Mention, mentions},
    sources::{below, document, tests},
};

/// A1 to A18 and B1 to B17, as tests begin their names with them.
fn ids() -> impl Iterator<Item = (String, String)> {
    let ids = (1..=18).map(|n| ('A', n)).chain((1..=17).map(|n| ('B', n)));
    ids.map(|(letter, n)| (format!("{letter}{n}"), format!("{}{n:02}", letter.to_ascii_lowercase())))
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

/// Whether a test bears this prefix, alone or with the letter of a form.
fn is_of(name: &str, prefix: &str) -> bool {
    let rest =
        name.strip_prefix(prefix).map(|rest| rest.trim_start_matches(|form: char| form.is_ascii_lowercase()));
    rest.is_some_and(|rest| rest.starts_with('_')) && name.find('_').is_some_and(|at| at <= prefix.len() + 1)
}

#[test]
fn every_attack_has_its_line_and_a_test_of_its_name() {
    let lines = lines();
    for (id, prefix) in ids() {
        let mentions = lines.get(&id).unwrap_or_else(|| panic!("{id} has no line"));
        assert!(mentions.iter().any(|mention| is_of(&mention.name, &prefix)), "{id} has no test of its name");
    }
    assert_eq!(lines.len(), ids().count(), "{:?}", lines.keys());
}

#[test]
fn every_test_that_bears_the_name_of_an_attack_stands_in_its_line() {
    let lines = lines();
    let sources = [below("crates"), below("tests")];
    for (path, source) in sources.iter().flatten() {
        for name in tests(source) {
            for (id, prefix) in ids().filter(|(_, prefix)| is_of(name, prefix)) {
                let named = lines[&id].iter().any(|mention| mention.name == name);
                assert!(named, "{path}: {name} is not in the line of {id} ({prefix})");
            }
        }
    }
}
