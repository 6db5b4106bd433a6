//! The names of tests in documents: `crate target: path` for what `cargo test` prints, and cases of conformance lists.

use crate::sources::{Declared, below, documents, functions};

/// A test that a document names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mention {
    /// The folders or files that have it, from the root.
    place: String,
    /// The modules it is in, as far as they are named.
    modules: Vec<String>,
    /// The name of the test or case.
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Test,
    Case,
}

/// The mentions in a text, and the code in it that is none.
pub(crate) fn mentions(text: &str) -> (Vec<Mention>, Vec<String>) {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    let mut before = "";
    // Every other part of what stands between fences is a block of code.
    let prose: String = text.split("```").step_by(2).collect();
    for (at, part) in prose.split('`').enumerate() {
        if at % 2 == 0 {
            before = part;
            continue;
        }
        match Mention::of(before, part) {
            Some(mention) => found.push(mention),
            None => others.push(part.to_owned()),
        }
    }
    (found, others)
}

impl Mention {
    fn of(before: &str, code: &str) -> Option<Self> {
        if let Some(list) = LISTS.iter().find(|(label, _)| before.ends_with(label)) {
            return Self::at(list.1, code, Kind::Case);
        }
        let (target, path) = code.split_once(": ")?;
        match target.split_once(' ') {
            None if target == "explorer" => Self::in_target("sim", "explore", path),
            Some((_, rest)) if rest.contains(' ') => None,
            Some((krate, target)) => Self::in_target(krate, target, path),
            None => None,
        }
    }

    /// A test of a crate's library, or of one of its other test binaries.
    pub(crate) fn in_target(krate: &str, target: &str, path: &str) -> Option<Self> {
        let place = match (krate, target) {
            ("interleavings", "lib") => "interleavings/src".to_owned(),
            ("tests", target) => format!("tests/{target}"),
            (krate, "lib") => format!("crates/{krate}/src"),
            // A target is a folder with a `main.rs`, or a file.
            (krate, target) => format!("crates/{krate}/tests/{target}"),
        };
        Self::at(&place, path, Kind::Test)
    }

    fn at(place: &str, path: &str, kind: Kind) -> Option<Self> {
        let mut modules: Vec<_> = path.split("::").map(str::to_owned).collect();
        let name = modules.pop()?;
        Some(Self { place: place.to_owned(), modules, name, kind })
    }

    /// Returns whether there is such a test in the named place.
    pub(crate) fn exists(&self) -> bool {
        self.any(|_| true)
    }

    /// Returns whether the doc comment of the test bears this id.
    pub(crate) fn bears(&self, id: &str) -> bool {
        self.any(|declared| declared.ids().any(|borne| borne == id))
    }

    fn any(&self, holds: impl Fn(&Declared<'_>) -> bool) -> bool {
        let mut sources = below(&self.place);
        sources.extend(below(&format!("{}.rs", self.place)));
        let mut named = sources.iter().filter(|(path, _)| self.is_in(path));
        named.any(|(_, source)| functions(source).iter().any(|declared| self.is(declared) && holds(declared)))
    }

    /// Returns whether the modules name this source: each is a folder, a file or, like `tests`, a part of one.
    fn is_in(&self, path: &str) -> bool {
        let within = path.strip_prefix(&self.place).unwrap_or(path).trim_end_matches(".rs");
        let parts: Vec<_> =
            within.split('/').filter(|part| !["", "main", "mod", "lib"].contains(part)).collect();
        let mut named = self.modules.iter().filter(|module| *module != "tests");
        let inline = |part: &&str| *part == "tests";
        parts
            .iter()
            .filter(|part| !inline(part))
            .all(|part| named.next().is_some_and(|module| module == part))
            && named.next().is_none()
    }

    fn is(&self, declared: &Declared<'_>) -> bool {
        match self.kind {
            Kind::Test => declared.is_test && (self.name == "*" || self.name == declared.name),
            Kind::Case => self.name == declared.name,
        }
    }
}

/// The names of conformance lists, and the folders of their cases. A case that is not in its list is dead code, which
/// lints refuse.
const LISTS: [(&str, &str); 4] = [
    ("list of stores: ", "crates/conformance/src/store"),
    ("list of answers: ", "crates/conformance/src/answers"),
    ("list of leases: ", "crates/conformance/src/lease"),
    ("list of caches: ", "crates/conformance/src/cache"),
];

#[test]
fn every_test_named_in_any_document_exists() {
    for (path, text) in documents() {
        let gone: Vec<_> = mentions(&text).0.into_iter().filter(|mention| !mention.exists()).collect();
        assert!(gone.is_empty(), "{path}: {gone:#?}");
    }
}

#[test]
fn a_mention_is_found_where_it_says_and_nowhere_else() {
    let one = |text: &str| {
        let (found, others) = mentions(text);
        assert_eq!((found.len(), others.len()), (1, 0), "{text}");
        found.into_iter().next().unwrap()
    };
    for there in [
        "`core machine: doubt::a_watch_over_another_attempt_starts_anew`",
        "`core lib: classify::tests::the_standard_wording_is_understood`",
        "`core lib: freshness::tests::freshness_changes_at_ahead_skew_and_expiry`",
        "`redis-link link: a_half_open_subscriber_is_noticed_and_replaced`",
        "`explorer: worlds::a_login_always_wins`",
        "list of stores: `races::of_claims_have_one_winner`",
        "list of answers: `are_never_overwritten`",
    ] {
        assert!(one(there).exists(), "{there}");
    }
    for gone in [
        "`core machine: doubt::a_watch_that_nobody_keeps`",
        "`core machine: outcomes::a_watch_over_another_attempt_starts_anew`",
        "`coordinator coordinator: doubt::a_watch_over_another_attempt_starts_anew`",
        "`core machine: doubt::presented_at`",
        "list of stores: `claim::of_claims_have_one_winner`",
    ] {
        assert!(!one(gone).exists(), "{gone}");
    }
    assert_eq!(mentions("`until_used`, or `./.ci/run`").1, ["until_used", "./.ci/run"]);
}
