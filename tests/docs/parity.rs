//! The behaviour of the seed systems, and the tests which show that Solekey has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    mention::{Mention, mentions},
    sources::{below, document, tests},
};

/// The scenarios of the seeds' own tests: how their ids begin, and how many there are.
const SCENARIOS: [(&str, usize); 6] =
    [("S-T", 95), ("M-T", 13), ("K-T", 22), ("C-T", 10), ("A-T", 7), ("N-", 12)];

/// The tables of features, by heading, and their rows.
const FEATURES: [(&str, usize); 9] = [
    ("sub2api: the one entry point", 24),
    ("sub2api: credentials", 16),
    ("sub2api: tokens for requests", 24),
    ("sub2api: the background", 18),
    ("sub2api: a 401", 4),
    ("maxx", 30),
    ("ai-provider-kit", 23),
    ("molecule-core", 20),
    ("The AT Protocol proxy", 17),
];

/// The content of the last cell of a scenario.
#[derive(Debug)]
enum Shown {
    Tests(Vec<Mention>),
    Different,
    Follows,
    Expected,
}

fn ids() -> BTreeSet<String> {
    SCENARIOS.iter().flat_map(|(kind, count)| (1..=*count).map(move |n| format!("{kind}{n}"))).collect()
}

/// The rows of tables: their cells.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
    rows.filter(|row| !row.iter().any(|cell| cell.starts_with("---") || *cell == "shown by"))
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(str::trim).collect()
}

/// Returns the content of the last cell of a scenario, or the mistake in it.
fn shown(id: &str, cell: &str, exists: &dyn Fn(&Mention) -> bool) -> Result<Shown, String> {
    if let Some(reason) = cell.strip_prefix("deliberately different: ") {
        let explained = reason.split_whitespace().count() > 5;
        return if explained { Ok(Shown::Different) } else { Err(format!("{id}: different, and why?")) };
    }
    match (cell, &id[..1]) {
        ("pool", "K") | ("token proxy", "A") => return Ok(Shown::Follows),
        _ if cell.starts_with("expected: `") => return Ok(Shown::Expected),
        _ => {}
    }
    let (mentions, others) = mentions(cell);
    if mentions.is_empty() || !others.is_empty() {
        return Err(format!("{id}: no tests are {cell:?}"));
    }
    let gone = mentions.iter().find(|mention| !exists(mention));
    let foreign = mentions.iter().find(|mention| !mention.bears(id));
    match (gone, foreign) {
        (Some(gone), _) => Err(format!("{id}: there is no {}", gone.name)),
        (_, Some(foreign)) => Err(format!("{id}: {} does not bear its id", foreign.name)),
        (None, None) => Ok(Shown::Tests(mentions)),
    }
}

/// Returns the content of each line of a document by its scenario, and the mistakes of the document.
fn scenarios(text: &str, exists: &dyn Fn(&Mention) -> bool) -> (BTreeMap<String, Shown>, Vec<String>) {
    let (mut lines, mut problems) = (BTreeMap::new(), Vec::new());
    let ids = ids();
    let section = text.split("\n## ").filter(|section| section.starts_with("Scenarios"));
    for row in section.flat_map(rows) {
        let [id, _, cell] = row[..] else {
            problems.push(format!("not three cells: {row:?}"));
            continue;
        };
        if !ids.contains(id) {
            problems.push(format!("{id} is no scenario"));
            continue;
        }
        match shown(id, cell, exists) {
            Ok(shown) if lines.contains_key(id) => problems.push(format!("{id} twice: {shown:?}")),
            Ok(shown) => drop(lines.insert(id.to_owned(), shown)),
            Err(problem) => problems.push(problem),
        }
    }
    let missing = ids.iter().filter(|id| !lines.contains_key(*id));
    problems.extend(missing.map(|id| format!("{id} is missing")));
    (lines, problems)
}

/// Returns the mistakes in the tables of features.
fn features(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let ids = ids();
    for (heading, count) in FEATURES {
        let section = text.split("\n## ").find(|section| section.lines().next() == Some(heading));
        let rows: Vec<_> = section.into_iter().flat_map(rows).collect();
        if rows.len() != count {
            problems.push(format!("{heading}: {} rows", rows.len()));
        }
        for row in rows {
            let [feature, does, cell] = row[..] else {
                problems.push(format!("{heading}: not three cells: {row:?}"));
                continue;
            };
            let follows = ["pool", "token proxy"].contains(&cell);
            let words = cell.split([',', ';', ' ']);
            let scenarios: Vec<_> =
                words.filter(|word| word.contains("-T") || word.starts_with("N-")).collect();
            let unknown = scenarios.iter().find(|id| !ids.contains(**id));
            let shown =
                follows || !scenarios.is_empty() || cell.contains("](") || !mentions(cell).0.is_empty();
            let unexplained = does
                .strip_prefix("deliberately different:")
                .is_some_and(|reason| reason.split_whitespace().count() < 6);
            if unexplained || feature.is_empty() || does.is_empty() || !shown || unknown.is_some() {
                problems.push(format!("{heading}: {feature}: {cell:?} shows nothing"));
            }
        }
    }
    problems
}

/// Returns the name by which documents refer to a test of this source.
fn address(path: &str, name: &str) -> String {
    let path = path.trim_end_matches(".rs");
    let parts: Vec<_> = path.split('/').filter(|part| !["main", "mod", "lib"].contains(part)).collect();
    let (target, modules) = match parts[..] {
        ["crates", krate, "src", ref rest @ ..] => (format!("{krate} lib"), rest),
        ["crates", krate, "tests", target, ref rest @ ..] => (format!("{krate} {target}"), rest),
        ["tests", target, ref rest @ ..] => (format!("tests {target}"), rest),
        _ => return format!("{path}: {name}"),
    };
    let mut modules = modules.to_vec();
    if target.ends_with(" lib") && !["tests", "laws"].contains(modules.last().unwrap_or(&"")) {
        modules.push("tests");
    }
    modules.push(name);
    format!("`{target}: {}`", modules.join("::"))
}

/// Every test that bears the id of a scenario: the id, the name, how a document names it.
fn bearers() -> Vec<(String, String, String)> {
    let sources = [below("crates"), below("tests")];
    let mut found = Vec::new();
    for (path, source) in sources.iter().flatten() {
        for test in tests(source) {
            let ids = test.ids().filter(|id| id.contains('-'));
            found.extend(ids.map(|id| (id.to_owned(), test.name.to_owned(), address(path, test.name))));
        }
    }
    found
}

#[test]
fn every_scenario_has_one_line_and_whatever_it_names_exists_and_bears_its_id() {
    let (_, problems) = scenarios(&document("docs/parity.md"), &Mention::exists);
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn no_scenario_waits_for_its_test() {
    let (lines, _) = scenarios(&document("docs/parity.md"), &Mention::exists);
    let waiting = lines.iter().filter(|(_, shown)| matches!(shown, Shown::Expected)).map(|(id, _)| id);
    let bearers = bearers();
    let cells = waiting.map(|id| {
        let tests = bearers.iter().filter(|(of, ..)| of == id).map(|(_, _, address)| address.as_str());
        format!("{id}: {}", tests.collect::<Vec<_>>().join("; "))
    });
    let cells: Vec<_> = cells.collect();
    assert!(cells.is_empty(), "{} scenarios wait; what their lines could name: {cells:#?}", cells.len());
}

#[test]
fn every_test_that_bears_the_id_of_a_scenario_stands_in_its_line() {
    let (lines, _) = scenarios(&document("docs/parity.md"), &Mention::exists);
    let ids = ids();
    for (id, name, address) in bearers() {
        assert!(ids.contains(&id), "{address}: there is no scenario {id}");
        if let Some(Shown::Tests(mentions)) = lines.get(&id) {
            assert!(mentions.iter().any(|mention| mention.name == name), "{id}: {address}");
        }
    }
}

#[test]
fn every_feature_has_its_row() {
    let problems = features(&document("docs/parity.md"));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_broken_document_is_noticed() {
    let text = document("docs/parity.md");
    let exists = |mention: &Mention| mention.exists();
    let line = |id: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("| {id} |")));
        line.unwrap_or_else(|| panic!("{id}")).to_owned()
    };
    let spoil = |before: &str, after: &str| {
        assert!(text.contains(before), "{before}");
        scenarios(&text.replacen(before, after, 1), &exists).1
    };
    let (one, other) = (line("S-T1"), line("S-T9"));
    assert!(spoil(&one, "")[0].contains("S-T1 is missing"));
    assert!(spoil(&one, &format!("{one}\n{one}"))[0].contains("S-T1 twice"));
    assert!(spoil("| S-T1 |", "| S-T96 |").iter().any(|problem| problem.contains("S-T96 is no scenario")));
    assert!(spoil(&one, &one.replace("::", "::not_"))[0].contains("there is no not_"));
    let named = |line: &str| line.rsplit_once(" | ").unwrap().1.trim_end_matches(" |").to_owned();
    assert!(spoil(&one, &one.replace(&named(&one), &named(&other)))[0].contains("does not bear its id"));
    for cell in ["deliberately different: so", "pool", "token proxy", "somewhere", "`until_used`"] {
        assert!(!spoil(&one, &one.replace(&named(&one), cell)).is_empty(), "{cell}");
    }
    let row = text.lines().find(|line| line.starts_with("| Releasing it |")).unwrap();
    assert!(!features(&text.replacen(row, "", 1)).is_empty());
    let bare = format!("{} | nowhere |", row.rsplit_once(" | ").unwrap().0);
    assert!(!features(&text.replacen(row, &bare, 1)).is_empty());
}
