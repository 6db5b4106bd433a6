//! The fuzzer's seeds and findings, checked by its own properties: they hold without a nightly compiler, too.

use std::{fs, path::Path};

#[path = "../../../../fuzz/properties/import.rs"]
mod import;
#[path = "../../../../fuzz/properties/jwt.rs"]
mod jwt;
#[path = "../../../../fuzz/properties/token_answer.rs"]
mod token_answer;

fn replay(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files: Vec<_> = fs::read_dir(&seeds).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty(), "no seeds in {}", seeds.display());
    for file in files {
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

#[test]
fn what_people_hand_in_is_taken_in_whole_or_refused_unquoted() {
    replay("import", import::check);
}

#[test]
fn what_token_endpoints_say_is_classified_and_merged() {
    replay("token_answer", token_answer::check);
}

#[test]
fn what_tokens_say_of_their_end_is_what_their_claims_say() {
    replay("jwt", jwt::check);
}
