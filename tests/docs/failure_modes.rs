//! The document of failure modes: each line has a test, or the reason why there is none.

use crate::{mention::mentions, sources::document};

#[test]
fn every_line_names_a_test_or_says_why_it_has_none() {
    let text = document("docs/failure-modes.md");
    let (mut shows, mut named) = (false, 0);
    for line in text.lines() {
        let last = line.trim_matches('|').split(" | ").last().unwrap_or_default().trim();
        let begins = !line.starts_with('|');
        shows = !begins && (shows || last == "shown by");
        if !shows || last == "shown by" || line.starts_with("| ---") {
            continue;
        }
        let (mentions, others) = mentions(last);
        assert!(others.is_empty(), "no test is called {others:?}: {line}");
        named += mentions.len();
        let explained = ["no test", "not promised"].iter().any(|words| last.contains(words));
        assert!(!mentions.is_empty() || explained || line.contains("See \""), "{line}");
    }
    assert!(named > 150, "{named} tests are named");
}
