//! Arrows between crates.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::rules::Rules;
use crate::repository::{Dependency, Metadata};

/// A dependency that is not allowed, and by which way it comes, for each that there is.
pub(crate) fn wrong(rules: &Rules, metadata: &Metadata) -> Result<Vec<String>> {
    let arrows = arrows(metadata)?;
    let known: BTreeSet<_> = metadata.packages.iter().map(|package| &*package.name).collect();
    let mut wrong = Vec::new();
    for rule in &rules.crates {
        for package in rules.expanded(&rule.packages) {
            ensure!(known.contains(package), "xtask/arrows.toml: there is no package {package}");
            let ways = ways(package, &arrows);
            let others = rules.expanded(&rule.never).filter(|other| *other != package);
            wrong.extend(
                others
                    .filter_map(|other| ways.get(other))
                    .map(|way| format!("not allowed: {}", way.join(" -> "))),
            );
        }
    }
    Ok(wrong)
}

/// On what each package depends when it is used or built; what its tests need is left out.
fn arrows(metadata: &Metadata) -> Result<BTreeMap<&str, BTreeSet<&str>>> {
    let (names, resolve) = (metadata.names(), metadata.resolve.as_ref().context("cargo metadata resolves")?);
    let mut arrows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for node in &resolve.nodes {
        let uses = node.deps.iter().filter(|dependency| is_used(dependency));
        // Two versions of one package are one to these rules.
        arrows.entry(names[&*node.id]).or_default().extend(uses.map(|dependency| names[&*dependency.pkg]));
    }
    Ok(arrows)
}

fn is_used(dependency: &Dependency) -> bool {
    dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
}

/// The shortest way from a package to each that it depends on.
fn ways<'a>(
    package: &'a str,
    arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut ways = BTreeMap::from([(package, vec![package])]);
    let mut last = vec![package];
    while !last.is_empty() {
        let mut next = Vec::new();
        for from in last {
            for &to in arrows.get(from).into_iter().flatten() {
                if !ways.contains_key(to) {
                    let way = ways[from].iter().copied().chain([to]).collect();
                    ways.insert(to, way);
                    next.push(to);
                }
            }
        }
        last = next;
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_found_through_others_and_circles_end() {
        let arrows = BTreeMap::from([
            ("a", BTreeSet::from(["b", "c"])),
            ("b", BTreeSet::from(["d", "a"])),
            ("d", BTreeSet::from(["e"])),
            ("x", BTreeSet::from(["a"])),
        ]);
        let ways = ways("a", &arrows);
        assert_eq!(ways["e"], ["a", "b", "d", "e"]);
        assert!(!ways.contains_key("x"));
    }
}
