//! The rules of xtask/words.toml.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
};

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::{pattern::matches, split};
use crate::repository::{Repository, is_kind};

/// The largest number of exceptions: a vocabulary with more is none.
const MOST_EXCEPTIONS: usize = 10;

pub(crate) struct Rules {
    skipped: Vec<String>,
    types: Vec<String>,
    /// Entries by the first word of each.
    entries: HashMap<String, Vec<Entry>>,
    /// Entries that stand for every word with this beginning.
    prefixes: Vec<(String, String)>,
    pub(crate) exceptions: Vec<Exception>,
}

/// A word or a phrase, and what to say instead.
struct Entry {
    words: Vec<String>,
    instead: String,
}

/// A place in which a word may stay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    pub(crate) word: String,
    pub(crate) path: Option<String>,
    pub(crate) within: Option<String>,
    pub(crate) reason: String,
    #[serde(skip)]
    used: Cell<bool>,
}

/// A word that is to be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) word: String,
    pub(crate) instead: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    skipped: Vec<String>,
    types: Vec<String>,
    words: BTreeMap<String, String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

impl Rules {
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        repository.table::<File>("xtask/words.toml")?.rules()
    }

    pub(crate) fn skips(&self, path: &str) -> bool {
        self.skipped.iter().any(|pattern| matches(pattern, path))
    }

    /// The words of a line that are to be replaced.
    pub(crate) fn hits(&self, path: &str, line: usize, text: &str) -> Vec<Hit> {
        let words = split::words(text);
        let found = (0..words.len()).filter_map(|at| self.at(&words[at..]));
        let is_rust = is_kind(path, "rs");
        let types =
            split::types(text).filter(|name| is_rust && self.types.iter().any(|banned| banned == name));
        let types = types.map(|name| (name.to_owned(), "a type's name says what it is"));
        let hits = found.chain(types).filter(|(word, _)| !self.excepts(word, path, text));
        hits.map(|(word, instead)| Hit { path: path.to_owned(), line, word, instead: instead.to_owned() })
            .collect()
    }

    /// The entry that words begin with.
    fn at(&self, words: &[String]) -> Option<(String, &str)> {
        let first = words.first()?;
        let entries = self.entries.get(first).into_iter().flatten();
        let exact =
            entries.filter(|entry| words.starts_with(&entry.words)).max_by_key(|entry| entry.words.len());
        if let Some(Entry { words, instead }) = exact {
            return Some((words.join(" "), instead));
        }
        let prefix = self.prefixes.iter().find(|(prefix, _)| first.starts_with(&**prefix));
        prefix.map(|(_, instead)| (first.clone(), &**instead))
    }

    fn excepts(&self, word: &str, path: &str, text: &str) -> bool {
        let holds = |exception: &&Exception| {
            exception.word == word
                && exception.path.as_ref().is_none_or(|pattern| matches(pattern, path))
                && exception.within.as_ref().is_none_or(|within| text.contains(within))
        };
        let found = self.exceptions.iter().find(holds);
        found.inspect(|exception| exception.used.set(true)).is_some()
    }

    /// The exceptions that excepted nothing so far.
    pub(crate) fn idle(&self) -> Vec<&str> {
        self.exceptions
            .iter()
            .filter(|exception| !exception.used.get())
            .map(|exception| &*exception.word)
            .collect()
    }
}

impl File {
    fn rules(self) -> Result<Rules> {
        let Self { skipped, types, words, exceptions } = self;
        ensure!(
            exceptions.len() <= MOST_EXCEPTIONS,
            "xtask/words.toml: {} exceptions, and {MOST_EXCEPTIONS} may be",
            exceptions.len()
        );
        let without = exceptions.iter().find(|exception| exception.reason.split_whitespace().count() < 4);
        ensure!(
            without.is_none(),
            "xtask/words.toml: an exception needs a reason: {:?}",
            without.map(|one| &one.word)
        );
        let (mut entries, mut prefixes) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for (listed, instead) in words {
            for entry in listed.split(',').map(str::trim) {
                if let Some(prefix) = entry.strip_suffix('*') {
                    prefixes.push((prefix.to_owned(), instead.clone()));
                    continue;
                }
                let words = split::words(entry);
                let Some(first) = words.first().cloned() else { continue };
                entries.entry(first).or_default().push(Entry { words, instead: instead.clone() });
            }
        }
        Ok(Rules { skipped, types, entries, prefixes, exceptions })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Words of no language, so that these tests have none of those that are replaced.
    const WORDS: &str = "skipped = ['x/*']\ntypes = ['Zork']\n[words]\n'blorb, blorbs, do a foo' = 'thing'\n'quux*' = 'other'\n";

    fn rules(more: &str) -> Result<Rules> {
        toml::from_str::<File>(&format!("{WORDS}{more}"))?.rules()
    }

    fn found(rules: &Rules, path: &str, text: &str) -> Vec<String> {
        rules.hits(path, 1, text).into_iter().map(|hit| format!("{} -> {}", hit.word, hit.instead)).collect()
    }

    #[test]
    fn words_phrases_and_beginnings_are_found_in_any_case() {
        let rules = rules("").unwrap();
        let found = |text| found(&rules, "a.rs", text);
        assert_eq!(found("let blorb = Blorbs::new();"), ["blorb -> thing", "blorbs -> thing"]);
        assert_eq!(found("Quuxes do_a_foo"), ["quuxes -> other", "do a foo -> thing"]);
        assert!(found("blorbing, do a bar").is_empty());
        assert!(rules.skips("x/y/z") && !rules.skips("y"));
    }

    #[test]
    fn some_words_are_no_names_of_types() {
        let rules = rules("").unwrap();
        assert_eq!(found(&rules, "a.rs", "struct Zork;").len(), 1);
        assert!(found(&rules, "a.rs", "a zork, Zork").is_empty());
        assert!(found(&rules, "a.md", "struct Zork").is_empty());
    }

    #[test]
    fn exceptions_are_for_a_word_a_path_and_a_line_and_have_a_reason() {
        let one = "[[exceptions]]\nword = 'blorb'\npath = 'a/*'\nwithin = 'the blorb'\nreason = 'others call it so here'\n";
        let one = rules(one).unwrap();
        assert_eq!(one.idle(), ["blorb"]);
        assert_eq!(found(&one, "a/b", "blorb").len(), 1);
        assert_eq!(found(&one, "b", "the blorb").len(), 1);
        assert!(found(&one, "a/b", "the blorb").is_empty());
        assert!(one.idle().is_empty());
        assert!(rules("[[exceptions]]\nword = 'blorb'\nreason = 'so'\n").is_err());
        let many =
            "[[exceptions]]\nword = 'blorb'\nreason = 'others call it so here'\n".repeat(MOST_EXCEPTIONS + 1);
        assert!(rules(&many).is_err());
    }
}
