//! The table of mutants: `xtask/mutants.toml`.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

use super::places::Places;
use crate::repository::Repository;

/// Every mutant, in the order of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    mutant: Vec<Mutant>,
}

/// A known bug, and what has to notice it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    /// The rule that it breaks, in a few words.
    pub(crate) rule: String,
    #[serde(default)]
    pub(crate) catches: Vec<Catch>,
    /// True if a seed of the simulation has to have a violation.
    #[serde(default)]
    pub(crate) seeds: bool,
}

/// Tests of one binary, one of which has to fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catch {
    /// `crate/target`.
    pub(crate) binary: String,
    pub(crate) tests: Vec<String>,
}

impl Table {
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        repository.table::<Self>("xtask/mutants.toml")?.checked()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mutant> {
        self.mutant.iter()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Mutant> {
        self.iter().find(|mutant| mutant.name == name)
    }

    /// Fails unless every mutant of the code has a row here, and every row a mutant in the code.
    pub(crate) fn agrees_with(&self, places: &Places) -> Result<()> {
        let rows: BTreeSet<_> = self.iter().map(|mutant| &*mutant.name).collect();
        let code: BTreeSet<_> = places.names().collect();
        let (gone, new): (Vec<_>, Vec<_>) =
            (rows.difference(&code).collect(), code.difference(&rows).collect());
        ensure!(gone.is_empty(), "these mutants of xtask/mutants.toml are nowhere in the code: {gone:?}");
        ensure!(new.is_empty(), "these mutants of the code are not in xtask/mutants.toml: {new:?}");
        Ok(())
    }

    fn checked(self) -> Result<Self> {
        let mut names = BTreeSet::new();
        for Mutant { name, catches, seeds, .. } in &self.mutant {
            ensure!(names.insert(name), "{name} has two rows");
            ensure!(*seeds || !catches.is_empty(), "nothing is named that notices {name}");
            for Catch { binary, tests } in catches {
                ensure!(!tests.is_empty(), "{name}: no tests of {binary} are named");
                if binary.split('/').count() != 2 {
                    bail!("{name}: {binary} is not CRATE/TARGET");
                }
            }
        }
        Ok(self)
    }
}

impl Catch {
    /// Returns whether its tests make random operations.
    pub(crate) fn is_random(&self) -> bool {
        let random = |test: &String| test.split("::").any(|module| ["model", "laws"].contains(&module));
        self.tests.iter().all(random)
    }

    /// Returns whether its tests walk through every interleaving of something small.
    pub(crate) fn is_exploration(&self) -> bool {
        ["sim/explore", "interleavings/lib"].contains(&&*self.binary)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn table(text: &str) -> Result<Table> {
        toml::from_str::<Table>(text)?.checked()
    }

    const ONE: &str = "[[mutant]]\nname = 'a'\nrule = 'r'\n";

    #[test]
    fn a_row_names_what_notices_it_and_there_is_one_for_each() {
        assert!(table(&format!("{ONE}seeds = true")).is_ok());
        assert!(table(&format!("{ONE}catches = [{{ binary = 'core/lib', tests = ['t'] }}]")).is_ok());
        for wrong in [
            ONE.to_owned(),
            format!("{ONE}seeds = true\n{ONE}seeds = true"),
            format!("{ONE}seed = true"),
            format!("{ONE}catches = [{{ binary = 'core/lib', tests = [] }}]"),
            format!("{ONE}catches = [{{ binary = 'core', tests = ['t'] }}]"),
        ] {
            assert!(table(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_and_code_have_the_same_names() {
        let table = table(&format!("{ONE}seeds = true")).unwrap();
        let code = |text: &str| Places::in_files([("crates/c/src/lib.rs", text)]);
        assert!(table.agrees_with(&code("mutant(\"a\")")).is_ok());
        assert!(table.agrees_with(&code("")).unwrap_err().to_string().contains("nowhere"));
        let more = table.agrees_with(&code("mutant(\"a\") mutant(\"b\")")).unwrap_err();
        assert!(more.to_string().contains("[\"b\"]"), "{more}");
    }

    #[test]
    fn tests_of_models_and_laws_are_random() {
        let catch = |tests: &[&str]| Catch {
            binary: "core/lib".to_owned(),
            tests: tests.iter().map(|&test| test.to_owned()).collect(),
        };
        assert!(catch(&["model::a", "flight::laws::b"]).is_random());
        assert!(!catch(&["model::a", "models::b"]).is_random());
    }
}
