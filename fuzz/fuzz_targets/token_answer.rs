#![no_main]

#[path = "../properties/token_answer.rs"]
mod token_answer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| token_answer::check(bytes));
