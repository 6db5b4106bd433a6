//! The sources of this workspace, read for the names of their tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A document, by its path from the root.
pub(crate) fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every document, by its path from the root.
pub(crate) fn documents() -> BTreeMap<String, String> {
    let folders = ["", "docs", "docs/decisions"].map(|folder| root().join(folder));
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// The sources below a folder, or the one at a path, by their paths from the root; none where nothing is.
pub(crate) fn below(path: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root().join(path)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// A test, or a case of a conformance list, as its source declares it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Declared<'a> {
    /// The function's name.
    pub(crate) name: &'a str,
    /// The first line of its doc comment, which begins with the ids that it plays; empty where there is none.
    doc: &'a str,
    /// True if its attributes make it a test.
    pub(crate) is_test: bool,
}

impl<'a> Declared<'a> {
    /// The ids of attacks and scenarios that its doc comment begins with: `/// A1, S-T83: the sentence.`
    pub(crate) fn ids(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let label = self.doc.split([':', '.']).next().unwrap_or_default();
        let ids: Vec<_> = label.split(", ").collect();
        let all = !label.is_empty() && ids.iter().all(|id| is_id(id));
        ids.into_iter().filter(move |_| all)
    }
}

/// Returns whether a word has the form of an id: `A1`, `B17`, `S-T83`, `N-3`.
fn is_id(word: &str) -> bool {
    let number = word.trim_start_matches(|letter: char| letter.is_ascii_uppercase() || letter == '-');
    let kind = &word[..word.len() - number.len()];
    ["A", "B", "S-T", "M-T", "K-T", "C-T", "A-T", "N-"].contains(&kind)
        && number.parse::<u32>().is_ok_and(|number| number > 0)
}

/// The functions of a source, each with its doc comment; ignored tests count as no test.
pub(crate) fn functions(source: &str) -> Vec<Declared<'_>> {
    let (mut is_test, mut doc) = (false, "");
    let mut found = Vec::new();
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") || line.starts_with("//") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            is_test &= !line.starts_with("#[ignore");
            if let Some(text) = line.strip_prefix("/// ").filter(|_| doc.is_empty()) {
                doc = text;
            }
            continue;
        }
        if let Some(name) = function(line) {
            found.push(Declared { name, doc, is_test });
        }
        (is_test, doc) = (false, "");
    }
    found
}

/// The tests of a source: functions whose attributes make them one, none of them ignored.
pub(crate) fn tests(source: &str) -> Vec<Declared<'_>> {
    functions(source).into_iter().filter(|function| function.is_test).collect()
}

/// The name of the function that a line begins.
pub(crate) fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let begins =
        before.split_whitespace().all(|word| ["async", "pub", "pub(super)", "pub(crate)"].contains(&word));
    after.split_once('(').map(|(name, _)| name).filter(|_| begins)
}

#[test]
fn a_doc_comment_bears_the_ids_that_it_begins_with() {
    let ids = |doc: &str| -> Vec<String> {
        let source = format!("    /// {doc}\n    /// More: words.\n    #[test]\n    fn a_test() {{\n");
        let [test] = tests(&source)[..] else { panic!("one test in {source}") };
        test.ids().map(str::to_owned).collect()
    };
    assert_eq!(ids("S-T24, S-T73: a code ends a grant."), ["S-T24", "S-T73"]);
    assert_eq!(ids("A1."), ["A1"]);
    for stranger in ["A caller leaves.", "S-T: nothing.", "S-T1x.", "Plays A1.", "A1 and others."] {
        assert_eq!(ids(stranger), Vec::<String>::new(), "{stranger}");
    }
    assert_eq!(tests("#[test]\n#[ignore]\nfn a_test() {"), [], "ignored");
}
