//! The files of a crate, and which imports which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};

use super::{
    circles,
    names::{Module, Names},
    source::{File, Source},
};

/// Which file uses what another one defines. That a module uses those below it is no arrow: it is made of them.
pub(crate) struct Graph {
    /// By their paths from the folder of the root file.
    pub(crate) files: Vec<String>,
    arrows: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// Reads a crate from its root file.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let folder = root.parent().context("a root file is in a folder")?;
        let name = root.file_name().and_then(|name| name.to_str()).context("a root file has a name")?;
        Self::walk(name, |path| fs::read_to_string(folder.join(path)).ok())
    }

    fn walk(root: &str, text: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut walk = Walk { text, files: vec![root.to_owned()], modules: Vec::new() };
        let source = walk.source(root)?;
        walk.module(source, 0, None, "")?;
        let Walk { files, modules, .. } = walk;
        let mut arrows = vec![BTreeSet::new(); files.len()];
        for (from, to) in Names::new(modules).arrows() {
            arrows[from].insert(to);
        }
        Ok(Self { files, arrows })
    }

    /// The files that a file imports from.
    pub(crate) fn from(&self, file: usize) -> impl Iterator<Item = usize> {
        self.arrows[file].iter().copied()
    }

    pub(crate) fn arrows(&self) -> usize {
        self.arrows.iter().map(BTreeSet::len).sum()
    }

    pub(crate) fn largest_circle(&self) -> BTreeSet<usize> {
        circles::largest(&self.arrows)
    }

    /// Some files, each with the others that it imports from.
    pub(crate) fn list(&self, files: &BTreeSet<usize>) -> String {
        let line = |file: &usize| {
            let others = self.arrows[*file].intersection(files).map(|other| &*self.files[*other]);
            format!("    {} -> {}", self.files[*file], others.collect::<Vec<_>>().join(" "))
        };
        files.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// A crate of these files; the first is its root.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        Self::walk("lib.rs", |path| files.get(path).map(|text| (*text).to_owned())).unwrap()
    }
}

/// The modules of a crate, read file by file.
struct Walk<T> {
    text: T,
    files: Vec<String>,
    modules: Vec<Module>,
}

impl<T: Fn(&str) -> Option<String>> Walk<T> {
    fn source(&self, path: &str) -> Result<Source> {
        let text = (self.text)(path).with_context(|| format!("{path} cannot be read"))?;
        Source::parse(&text).with_context(|| path.to_owned())
    }

    /// Takes in a module and those below it; returns its number.
    fn module(
        &mut self,
        mut source: Source,
        file: usize,
        parent: Option<usize>,
        folder: &str,
    ) -> Result<usize> {
        let number = self.modules.len();
        let (inline, files) = (std::mem::take(&mut source.inline), std::mem::take(&mut source.files));
        self.modules.push(Module { source, file, parent, children: BTreeMap::new() });
        for (name, source) in inline {
            let child = self.module(source, file, Some(number), &format!("{folder}{name}/"))?;
            self.modules[number].children.insert(name, child);
        }
        for File { name, path } in files {
            let path = self.path(folder, &name, path, file)?;
            let source = self.source(&path)?;
            self.files.push(path);
            let child =
                self.module(source, self.files.len() - 1, Some(number), &format!("{folder}{name}/"))?;
            self.modules[number].children.insert(name, child);
        }
        Ok(number)
    }

    /// Returns the path of a module that has a file of its own.
    fn path(&self, folder: &str, name: &str, given: Option<String>, parent: usize) -> Result<String> {
        if let Some(given) = given {
            let folder = self.files[parent].rsplit_once('/').map(|(folder, _)| format!("{folder}/"));
            return Ok(format!("{}{given}", folder.unwrap_or_default()));
        }
        let places = [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")];
        match places.into_iter().find(|path| (self.text)(path).is_some()) {
            Some(path) => Ok(path),
            None => bail!("{folder}: there is no file of the module {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let graph = Graph::of(files);
        let from = |file: usize| graph.from(file).map(move |to| (file, to));
        (0..graph.files.len())
            .flat_map(from)
            .map(|(from, to)| format!("{} {}", graph.files[from], graph.files[to]))
            .collect()
    }

    #[test]
    fn an_import_points_at_the_file_that_defines_the_name() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "mod deep; pub use deep::Deep; pub struct A;"),
            ("a/deep.rs", "pub struct Deep;"),
            ("b.rs", "use crate::a::{A, Deep};"),
        ];
        assert_eq!(arrows(&files), ["b.rs a.rs", "b.rs a/deep.rs"]);
    }

    #[test]
    fn what_a_module_uses_of_those_below_it_is_no_arrow_and_the_way_up_is_one() {
        let files = [
            ("lib.rs", "mod a; fn f() { a::child::g(); }"),
            (
                "a.rs",
                "mod child; pub use self::child::Child; fn f(child: Child) { child::g(); } pub struct A;",
            ),
            ("a/child.rs", "pub struct Child(super::A);"),
        ];
        assert_eq!(arrows(&files), ["a/child.rs a.rs"]);
    }

    #[test]
    fn a_child_points_through_its_parent_at_its_siblings() {
        let files = [
            ("lib.rs", "mod one; mod two; use two::Two; pub struct Root;"),
            ("one.rs", "use super::{Root, Two}; use super::two;"),
            ("two.rs", "pub struct Two; fn f() { super::one::nothing(); }"),
        ];
        assert_eq!(arrows(&files), ["one.rs lib.rs", "one.rs two.rs", "two.rs one.rs"]);
    }

    #[test]
    fn names_go_through_modules_globs_and_other_names() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub fn f() {} pub enum E { V }"),
            ("b.rs", "use crate::a::E as Other; pub use crate::a::*;"),
            (
                "c.rs",
                "use crate::a as first; fn g() { first::f(); crate::b::f(); crate::b::Other::V; http::x(); }",
            ),
        ];
        assert_eq!(arrows(&files), ["b.rs a.rs", "c.rs a.rs"]);
    }

    #[test]
    fn a_module_that_is_imported_and_not_used_is_no_arrow() {
        let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", "")];
        assert!(arrows(&files).is_empty());
    }

    #[test]
    fn inline_modules_belong_to_their_file_and_files_may_have_paths() {
        let files = [
            ("lib.rs", "mod a; #[path = \"other/b.rs\"] mod b;"),
            ("a.rs", "mod inner { use super::super::b::B; use super::A; } struct A;"),
            ("other/b.rs", "pub struct B;"),
        ];
        assert_eq!(arrows(&files), ["a.rs other/b.rs"]);
    }

    #[test]
    fn a_circle_is_listed() {
        let graph = Graph::of(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::{a::A, c::C}; pub struct B;"),
            ("c.rs", "pub struct C;"),
        ]);
        let circle = graph.largest_circle();
        assert_eq!(graph.list(&circle), "    a.rs -> b.rs\n    b.rs -> a.rs");
    }

    #[test]
    fn a_file_that_is_missing_is_an_error() {
        assert!(Graph::walk("lib.rs", |path| (path == "lib.rs").then(|| "mod a;".to_owned())).is_err());
    }
}
