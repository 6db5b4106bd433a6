//! Checks the fuzzer's properties on its initial inputs and its findings: they hold without a nightly compiler, too.

use std::{fs, path::Path};

#[path = "../../../../fuzz/properties/config.rs"]
mod config;

#[test]
fn a_configuration_is_read_the_same_twice_or_refused_unquoted() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/config");
    let files: Vec<_> = fs::read_dir(&seeds).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty(), "no seeds in {}", seeds.display());
    for file in files {
        println!("{}", file.display());
        config::check(&fs::read(file).unwrap());
    }
}
