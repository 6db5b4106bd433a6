//! Commands that documents show are commands of this binary.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser as _;

use crate::Cli;

#[test]
fn every_command_in_the_documents_parses() {
    for (document, least) in [("README.md", 4), ("CONTRIBUTING.md", 1)] {
        let shown = commands(Path::new(document));
        assert!(shown.len() >= least, "{document}: {shown:?}");
    }
    for document in documents() {
        for command in commands(&document) {
            let parsed = Cli::try_parse_from(&command);
            assert!(parsed.is_ok(), "{}: {command:?}\n{}", document.display(), parsed.err().unwrap());
        }
    }
}

#[test]
fn a_command_is_found_without_its_comment_and_behind_cargo_run() {
    assert_eq!(
        words("solekey doctor --json   # checks Redis"),
        Some(["solekey", "doctor", "--json"].map(str::to_owned).to_vec())
    );
    assert_eq!(
        words("cargo run --release --bin solekey -- demo"),
        Some(["solekey", "demo"].map(str::to_owned).to_vec())
    );
    assert_eq!(words("cargo run -p solekey-examples --bin in_memory"), None);
    assert_eq!(words("curl http://127.0.0.1:8750/"), None);
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The documents of the root and of `docs`, by their paths from the root.
fn documents() -> impl Iterator<Item = PathBuf> {
    let pages = ["", "docs"].into_iter().flat_map(|folder| {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        files.map(move |name| Path::new(folder).join(name))
    });
    pages.filter(|path| path.extension().is_some_and(|kind| kind == "md"))
}

/// Returns the arguments with which the shell blocks of a document call this binary.
fn commands(document: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).filter_map(words).collect()
}

/// The words of a line that runs this binary.
fn words(line: &str) -> Option<Vec<String>> {
    let command = line.split(" #").next()?.trim();
    let arguments = match command.strip_prefix("cargo run ") {
        Some(cargo) => cargo.split_once("--bin solekey -- ")?.1,
        None => command.strip_prefix("solekey ")?,
    };
    let words = arguments.split_whitespace().map(str::to_owned);
    Some(std::iter::once("solekey".to_owned()).chain(words).collect())
}
