//! The meanings of names in the modules of a crate.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// A module, its place in the tree, and its file.
pub(crate) struct Module {
    pub(crate) source: Source,
    pub(crate) file: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
}

/// All modules of a crate; the first is its root.
pub(crate) struct Names {
    modules: Vec<Module>,
}

/// The item that a path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

/// Names that stand for names that stand for names: more than this many is a circle.
const DEEPEST: u8 = 16;

impl Names {
    pub(crate) fn new(modules: Vec<Module>) -> Self {
        Self { modules }
    }

    /// From which file each file uses something, itself left out.
    pub(crate) fn arrows(&self) -> BTreeSet<(usize, usize)> {
        let modules = 0..self.modules.len();
        let used =
            modules.flat_map(|module| self.used_by(module).into_iter().map(move |used| (module, used)));
        let files = used.map(|(module, used)| (self.modules[module].file, self.modules[used].file));
        files.filter(|(from, to)| from != to).collect()
    }

    /// The modules that define what a module uses, those below it left out.
    fn used_by(&self, module: usize) -> BTreeSet<usize> {
        let Source { imports, paths, .. } = &self.modules[module].source;
        let imported = imports.iter().filter_map(|import| match self.resolve(module, &import.path, 0)? {
            // By itself this only gives a module another name: paths that begin with it are resolved below.
            Meaning::Module(_) if import.name.is_some() => None,
            Meaning::Module(found) | Meaning::Item(found) => Some(found),
        });
        let walked = paths.iter().filter_map(|path| match self.resolve(module, path, 0)? {
            Meaning::Module(found) | Meaning::Item(found) => Some(found),
        });
        imported.chain(walked).filter(|found| !self.is_below(*found, module)).collect()
    }

    fn is_below(&self, module: usize, other: usize) -> bool {
        let above = std::iter::successors(self.modules[module].parent, |above| self.modules[*above].parent);
        above.into_iter().any(|above| above == other)
    }

    /// Returns what a path leads to from a module; `None` where that is another crate. A path that goes on where
    /// nothing more is known leads to the module that it has reached.
    fn resolve(&self, module: usize, path: &[String], depth: u8) -> Option<Meaning> {
        let mut at = Meaning::Module(module);
        for (number, segment) in path.iter().enumerate() {
            let Meaning::Module(here) = at else { break };
            at = match &**segment {
                "crate" if number == 0 => Meaning::Module(0),
                "self" if number == 0 => at,
                "super" => Meaning::Module(self.modules[here].parent.unwrap_or(0)),
                name => match self.meaning_in(here, name, depth) {
                    Some(meaning) => meaning,
                    None if number == 0 => return None,
                    None => return Some(Meaning::Item(here)),
                },
            };
        }
        Some(at)
    }

    /// Returns the meaning of a name in a module.
    fn meaning_in(&self, module: usize, name: &str, depth: u8) -> Option<Meaning> {
        let Module { source, children, .. } = &self.modules[module];
        if let Some(child) = children.get(name) {
            return Some(Meaning::Module(*child));
        }
        if source.items.contains(name) {
            return Some(Meaning::Item(module));
        }
        if depth == DEEPEST {
            return None;
        }
        // A name that stands for itself is one of another crate.
        let named = source.imports.iter().filter(|import| import.name.as_deref() == Some(name));
        let mut named = named.filter(|import| import.path.first().is_some_and(|first| first != name));
        let by_name = named.find_map(|import| self.resolve(module, &import.path, depth + 1));
        by_name.or_else(|| {
            let globs = source.imports.iter().filter(|import| import.name.is_none());
            let mut modules =
                globs.filter_map(|import| match self.resolve(module, &import.path, depth + 1)? {
                    Meaning::Module(found) if found != module => Some(found),
                    _ => None,
                });
            modules.find_map(|found| self.meaning_in(found, name, depth + 1))
        })
    }
}
