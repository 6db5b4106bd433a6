//! Checks that the public items of the last release still exist, or that the changelog names them under "Breaking".
//!
//! It compares the listings of docs/api, which `cargo xtask api` keeps true. What only adds can break, too (a variant
//! of an exhaustive enum, a method of a trait): before a release, cargo-semver-checks finds more. See CONTRIBUTING.md.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::{program::Run, repository::Repository};

pub(crate) fn run(repository: &Repository) -> Result<()> {
    let describe = ["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"];
    if !repository.program("git").args(describe).succeeds() {
        println!("semver: there is no release to compare with");
        return Ok(());
    }
    let release = repository.git(&describe)?;
    let release = release.trim();
    let listings = repository.git(&["ls-tree", "-r", "--name-only", release, "docs/api"])?;
    let mut lost = 0;
    for name in listings.lines() {
        let before = repository.git(&["show", &format!("{release}:{name}")])?;
        let now = repository.text(name).unwrap_or_default();
        let gone = gone(&before, &now);
        if !gone.is_empty() {
            println!("{name}, gone since {release}:\n{}", gone.join("\n"));
        }
        lost += gone.len();
    }
    println!("semver: {lost} lines gone since {release}");
    ensure!(
        lost == 0 || explains(&repository.text("CHANGELOG.md")?, release),
        "CHANGELOG.md needs a section \"### Breaking\" above that of {release}, with what to do instead"
    );
    Ok(())
}

/// The lines that are there fewer times than before.
fn gone<'a>(before: &'a str, now: &str) -> Vec<&'a str> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    now.lines().for_each(|line| *left.entry(line).or_default() += 1);
    let mut is_there =
        |line| left.get_mut(line).filter(|count| **count > 0).map(|count| *count -= 1).is_some();
    before.lines().filter(|line| !is_there(*line)).collect()
}

/// Returns whether the changelog has a section about what breaks, above that of a release.
fn explains(changelog: &str, release: &str) -> bool {
    let section = format!("## [{}]", release.trim_start_matches('v'));
    changelog
        .lines()
        .take_while(|line| !line.starts_with(&section))
        .any(|line| line.starts_with("### Breaking"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_gone_are_found_and_moved_ones_are_not() {
        assert_eq!(gone("a\nb\nb\nc", "c\nb\na\nd"), ["b"]);
        assert!(gone("a", "a\nb").is_empty());
    }

    #[test]
    fn only_what_stands_above_the_release_explains_it() {
        let changelog = "## Unreleased\n### Breaking\n## [1.2.0]\n### Added\n## [1.1.0]\n";
        assert!(explains(changelog, "v1.2.0"));
        assert!(!explains("## Unreleased\n## [1.2.0]\n### Breaking\n", "v1.2.0"));
    }
}
