//! Finds words that the project does not use.

mod exceptions;
mod pattern;
mod rules;
mod split;

use std::{cmp::Reverse, collections::BTreeMap};

use anyhow::{Result, ensure};
use rules::{Hit, Rules};

use crate::repository::Repository;

/// Fails where a word of xtask/words.toml occurs, and shows what to say instead.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Shows only how often each word occurs, and where.
    #[arg(long)]
    count: bool,
    /// Writes the exceptions into CONTRIBUTING.md.
    #[arg(long)]
    bless: bool,
}

pub(crate) fn run(repository: &Repository, arguments: &Arguments) -> Result<()> {
    let rules = Rules::read(repository)?;
    if arguments.bless {
        return exceptions::bless(repository, &rules);
    }
    if arguments.count {
        count(&hits(repository, &rules)?);
        return Ok(());
    }
    check(repository, &rules)
}

/// Fails where a word occurs, and where the list of exceptions is not that of CONTRIBUTING.md.
fn check(repository: &Repository, rules: &Rules) -> Result<()> {
    let hits = hits(repository, rules)?;
    for Hit { path, line, word, instead } in &hits {
        println!("{path}:{line}: {word} -> {instead}");
    }
    exceptions::agree(repository, rules)?;
    let idle = rules.idle();
    ensure!(idle.is_empty(), "these exceptions except nothing: {idle:?}");
    ensure!(hits.is_empty(), "{} words are to be replaced", hits.len());
    println!("words: none to replace, {} exceptions", rules.exceptions.len());
    Ok(())
}

fn hits(repository: &Repository, rules: &Rules) -> Result<Vec<Hit>> {
    let mut hits = Vec::new();
    for path in repository.files()?.into_iter().filter(|path| !rules.skips(path)) {
        // Line 0 is the file's own name.
        hits.extend(rules.hits(&path, 0, &path));
        // What is no text has no words.
        let Ok(text) = repository.text(&path) else { continue };
        let text = if path == exceptions::DOCUMENT { exceptions::without_list(&text) } else { text };
        hits.extend(text.lines().zip(1..).flat_map(|(line, number)| rules.hits(&path, number, line)));
    }
    Ok(hits)
}

fn count(hits: &[Hit]) {
    let mut words: BTreeMap<_, BTreeMap<_, usize>> = BTreeMap::new();
    let mut folders: BTreeMap<_, usize> = BTreeMap::new();
    for Hit { path, word, .. } in hits {
        let folder = folder(path);
        *words.entry(word).or_default().entry(folder).or_default() += 1;
        *folders.entry(folder).or_default() += 1;
    }
    let mut words: Vec<_> =
        words.into_iter().map(|(word, by)| (by.values().sum::<usize>(), word, by)).collect();
    words.sort_by_key(|(total, ..)| Reverse(*total));
    let list = |by: &BTreeMap<&str, usize>| {
        by.iter().map(|(folder, count)| format!("{folder} {count}")).collect::<Vec<_>>().join(", ")
    };
    for (total, word, by) in &words {
        println!("{total:>6} {word:<16} {}", list(by));
    }
    println!("{:>6} in all: {}", hits.len(), list(&folders));
}

/// The folder of a file that a count names: a crate, or what lies at the top.
fn folder(path: &str) -> &str {
    let depth = if path.starts_with("crates/") { 2 } else { 1 };
    match path.match_indices('/').nth(depth - 1) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_name_crates_and_folders_at_the_top() {
        assert_eq!(folder("crates/core/src/lib.rs"), "crates/core");
        assert_eq!(folder("docs/decisions/0001.md"), "docs");
        assert_eq!(folder("README.md"), "README.md");
    }
}
