//! README, followed to the letter.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread::{self, JoinHandle},
};

/// The blocks of README in a language, as its fence names it.
fn blocks(fence: &str) -> Vec<String> {
    let readme = fs::read_to_string(here().join("../../README.md")).unwrap();
    let fence = format!("```{fence}\n");
    let blocks = readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.map(str::to_owned).collect()
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of a manifest's table, without comments.
fn dependencies(manifest: &str) -> Vec<&str> {
    let after = manifest.split("[dependencies]\n").nth(1).unwrap();
    after.lines().take_while(|line| !line.starts_with(['[', '#'])).filter(|line| !line.is_empty()).collect()
}

#[test]
fn this_crate_depends_on_what_readme_names_and_on_nothing_else() {
    let ours = fs::read_to_string(here().join("Cargo.toml")).unwrap();
    assert!(!ours.contains("dev-dependencies]") && !ours.contains("[build-dependencies"));
    let shown = blocks("toml").into_iter().find(|block| block.contains("[dependencies]")).unwrap();
    // Only the way to the checkout differs.
    let shown = shown.replace("\"../solekey/", "\"../../");
    assert_eq!(dependencies(&shown), dependencies(&ours));
}

#[test]
fn this_crate_is_the_program_in_readme() {
    let shown = blocks("rust,no_run");
    assert_eq!(shown.first().map(String::as_str), Some(include_str!("../src/main.rs")));
}

#[test]
fn every_document_is_part_of_this_crates_documentation() {
    let included = include_str!("../src/lib.rs");
    let files = fs::read_dir(here().join("../../docs")).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let missing: Vec<_> = names
        .filter(|name| name.ends_with(".md") && !included.contains(&format!("docs/{name}\")")))
        .collect();
    assert!(missing.is_empty(), "src/lib.rs lacks {missing:?}");
}

/// An API that answers one request with 200 and returns the request's head.
fn api() -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let head = lines.take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        head
    });
    (url, served)
}

#[test]
fn the_program_in_readme_calls_an_api_with_the_token_of_the_login() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    // What an earlier run left.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    // Valid for long enough that nothing is refreshed: the token endpoint is a real one.
    let login = r#"{"access_token": "at-of-alice", "refresh_token": "rt-of-alice", "expires_in": 86400}"#;
    fs::write(folder.join("auth.json"), login).unwrap();

    let (url, served) = api();
    let mut program = Command::new(env!("CARGO_BIN_EXE_stranger"));
    let ended = program.arg(url).current_dir(&folder).env_clear().output().unwrap();

    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(
        (&*String::from_utf8_lossy(&ended.stdout), ended.status.success()),
        ("200 OK\n", true),
        "{complaint}"
    );
    let head = served.join().unwrap();
    assert!(head.contains(&"authorization: Bearer at-of-alice".to_owned()), "{head:?}");
    assert!(folder.join("solekey.db").exists());
}
