//! Blocks of code in documents, and examples in the documentation of crates: each is of a kind that something checks.

use std::{collections::BTreeSet, fs};

use crate::sources::{below, documents, root};

/// A fenced block of a document.
struct Block<'a> {
    /// The text after its opening fence, such as `rust,no_run`.
    fence: &'a str,
    text: &'a str,
}

/// The blocks of a document.
fn blocks(document: &str) -> impl Iterator<Item = Block<'_>> {
    document.split("\n```").skip(1).step_by(2).map(|block| {
        let (fence, text) = block.split_once('\n').unwrap_or((block, ""));
        Block { fence, text }
    })
}

/// Rust is compiled in tests/stranger, TOML is read in crates/server/tests/server/documents.rs, calls of the binary in
/// crates/cli/src/documents.rs.
#[test]
fn every_block_of_a_document_is_of_a_kind_that_is_checked() {
    for (path, text) in documents() {
        for Block { fence, text } in blocks(&text) {
            match fence {
                "json" => assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{path}: {text}"),
                "rust" | "rust,no_run" | "toml" | "sh" | "markdown" | "mermaid" | "text" => {}
                _ => panic!("{path}: a block of {fence:?}\n{text}"),
            }
        }
    }
}

/// Excerpts of the sources are for those who change them.
#[test]
fn rust_in_documents_is_compiled_by_a_crate_that_depends_on_ours() {
    let compiled = fs::read_to_string(root().join("tests/stranger/src/lib.rs")).unwrap();
    for (path, text) in documents() {
        let name = path.strip_prefix(root().to_str().unwrap()).unwrap();
        let shows_rust = blocks(&text).any(|block| block.fence.starts_with("rust"));
        let is_compiled = compiled.contains(&format!("{name}\")"));
        assert!(!shows_rust || is_compiled || name == "/CONTRIBUTING.md", "{name}");
    }
}

#[test]
fn commands_in_documents_name_packages_and_scripts_that_exist() {
    let packages = packages();
    for (path, text) in documents() {
        for line in blocks(&text).filter(|block| block.fence == "sh").flat_map(|block| block.text.lines()) {
            let command = line.split(" #").next().unwrap_or_default();
            let words: Vec<_> = command.split_whitespace().collect();
            for pair in words.windows(2).filter(|pair| pair[0] == "-p" && command.contains("cargo ")) {
                assert!(pair[1] == "CRATE" || packages.contains(pair[1]), "{path}: {line}");
            }
            for script in words.iter().map(|word| word.trim_start_matches("./")) {
                let is_ours = script.starts_with("scripts/") || script.starts_with(".ci/");
                assert!(!is_ours || root().join(script).is_file(), "{path}: {line}");
            }
        }
    }
}

/// The packages of the workspace.
fn packages() -> BTreeSet<String> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let folders = crates.chain(["examples", "tests"].map(|folder| root().join(folder)));
    let manifests = folders.filter_map(|folder| fs::read_to_string(folder.join("Cargo.toml")).ok());
    manifests
        .map(|text| text.parse::<toml::Table>().unwrap()["package"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// An example that is not compiled is none. Where the features that it needs are off, it cannot be.
#[test]
fn no_example_of_a_crate_is_left_out() {
    for (path, source) in below("crates") {
        for line in source.lines().map(str::trim).filter(|line| line.contains("```")) {
            let is_left_out = ["```ignore", "```text", ",ignore"].iter().any(|fence| line.contains(fence));
            assert!(!is_left_out || line.starts_with("#![cfg_attr(not("), "{path}: {line}");
        }
    }
}
