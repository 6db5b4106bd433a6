//! The rules of xtask/arrows.toml.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    /// Names that stand for several packages.
    groups: BTreeMap<String, Vec<String>>,
    pub(crate) crates: Vec<Apart>,
    pub(crate) circles: Circles,
    pub(crate) layers: Vec<Layer>,
}

/// Packages that depend on none of others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apart {
    pub(crate) packages: Vec<String>,
    pub(crate) never: Vec<String>,
}

/// The number of files of a package that may import each other in a circle.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Circles {
    default: usize,
    packages: BTreeMap<String, usize>,
}

/// A folder whose files import nothing that is defined in some modules of its crate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layer {
    pub(crate) package: String,
    pub(crate) folder: String,
    pub(crate) never: Vec<String>,
}

impl Rules {
    /// The names, with groups replaced by those that they stand for.
    pub(crate) fn expanded<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = &'a str> {
        let members =
            |name: &'a String| self.groups.get(name).map_or(std::slice::from_ref(name), Vec::as_slice);
        names.iter().flat_map(members).map(String::as_str)
    }
}

impl Circles {
    pub(crate) fn of(&self, package: &str) -> usize {
        self.packages.get(package).copied().unwrap_or(self.default)
    }
}
