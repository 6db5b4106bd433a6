//! The list of exceptions in CONTRIBUTING.md.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::rules::{Exception, Rules};
use crate::repository::Repository;

pub(crate) const DOCUMENT: &str = "CONTRIBUTING.md";
/// The lines before and after the list.
const BEGIN: &str = "<!-- words: exceptions -->\n";
const END: &str = "<!-- words: end -->\n";

/// Fails unless the list is that of xtask/words.toml.
pub(crate) fn agree(repository: &Repository, rules: &Rules) -> Result<()> {
    let text = repository.text(DOCUMENT)?;
    let (_, found, _) = parts(&text)?;
    ensure!(found == list(rules), "{DOCUMENT} lists other exceptions: cargo xtask words --bless writes them");
    Ok(())
}

pub(crate) fn bless(repository: &Repository, rules: &Rules) -> Result<()> {
    let text = repository.text(DOCUMENT)?;
    let (before, _, after) = parts(&text)?;
    fs::write(repository.root.join(DOCUMENT), format!("{before}{BEGIN}{}{END}{after}", list(rules)))?;
    Ok(())
}

/// The document with as many lines, and without the words that the list names.
pub(crate) fn without_list(text: &str) -> String {
    match parts(text) {
        Ok((before, found, after)) => {
            format!("{before}{BEGIN}{}{END}{after}", "\n".repeat(found.lines().count()))
        }
        Err(_) => text.to_owned(),
    }
}

fn parts(text: &str) -> Result<(&str, &str, &str)> {
    let missing = || format!("{DOCUMENT} has no list between {BEGIN:?} and {END:?}");
    let (before, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (found, after) = rest.split_once(END).with_context(missing)?;
    Ok((before, found, after))
}

fn list(rules: &Rules) -> String {
    if rules.exceptions.is_empty() {
        return "There is none.\n".to_owned();
    }
    rules.exceptions.iter().map(line).collect()
}

fn line(Exception { word, path, within, reason, .. }: &Exception) -> String {
    let path = path.as_ref().map(|path| format!(" in `{path}`")).unwrap_or_default();
    let within = within.as_ref().map(|within| format!(" within \"{within}\"")).unwrap_or_default();
    format!("- \"{word}\"{path}{within}: {reason}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_replaced_by_as_many_empty_lines() {
        let text = format!("a\n{BEGIN}- one\n- two\n{END}b\n");
        let without = without_list(&text);
        assert_eq!(without.lines().count(), text.lines().count());
        assert!(!without.contains("one"));
        assert_eq!(without_list("nothing"), "nothing");
    }
}
