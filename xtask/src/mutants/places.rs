//! The places at which the code asks which mutant is awake.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::repository::{Repository, is_kind};

/// The files that each mutant is in; of a mutant of a script, the script, too.
pub(crate) struct Places(BTreeMap<String, BTreeSet<String>>);

impl Places {
    pub(crate) fn find(repository: &Repository) -> Result<Self> {
        let files = repository.below("crates")?.into_iter();
        let files = files.filter(|path| is_kind(path, "rs") || is_kind(path, "lua"));
        let texts =
            files.map(|path| Ok((path.clone(), repository.text(&path)?))).collect::<Result<Vec<_>>>()?;
        Ok(Self::in_files(texts.iter().map(|(path, text)| (&**path, &**text))))
    }

    pub(crate) fn in_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (scripts, sources): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(path, _)| is_kind(path, "lua"));
        let mut places: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (path, text) in sources {
            for (name, of_script) in mutants(text) {
                let place = places.entry(name.to_owned()).or_default();
                place.insert(path.to_owned());
                let own = scripts.iter().filter(|(script, _)| of_script && is_named(script, path, text));
                place.extend(own.map(|(script, _)| (*script).to_owned()));
            }
        }
        Self(places)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn of(&self, name: &str) -> BTreeSet<&str> {
        self.0.get(name).into_iter().flatten().map(String::as_str).collect()
    }
}

/// The mutants of a text, and whether each is one of a script: `mutant("name")`, `script_mutant("name", ...)`.
fn mutants(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.match_indices("mutant(").filter_map(|(at, call)| {
        let name = text[at + call.len()..].trim_start().strip_prefix('"')?.split('"').next()?;
        Some((name, text[..at].ends_with("script_")))
    })
}

/// Returns whether a source names a script of its own crate.
fn is_named(script: &str, path: &str, text: &str) -> bool {
    let of_crate = |path: &str| path.split('/').nth(1).map(str::to_owned);
    let name = script.rsplit('/').next().unwrap_or(script);
    let in_quotes = |end: &str| text.contains(&format!("{end}{name}\""));
    of_crate(script) == of_crate(path) && (in_quotes("/") || in_quotes("\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_found_where_the_code_asks() {
        let places = Places::in_files([
            (
                "crates/a/src/x.rs",
                "mutant(\"one\") || script_mutant(\n  \"two\", \"\", \"\") include_str!(\"../lua/s.lua\")",
            ),
            ("crates/a/src/y.rs", "pub const fn mutant(_name: &str) mutant(\"one\") \"s.lua\""),
            ("crates/a/lua/s.lua", ""),
            ("crates/a/lua/ss.lua", ""),
            ("crates/b/lua/s.lua", ""),
        ]);
        assert_eq!(places.names().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(places.of("one"), BTreeSet::from(["crates/a/src/x.rs", "crates/a/src/y.rs"]));
        assert_eq!(places.of("two"), BTreeSet::from(["crates/a/lua/s.lua", "crates/a/src/x.rs"]));
    }
}
