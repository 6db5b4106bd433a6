//! The `solekey` binary.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The binary of this very tree, built the way this test was: `SOLEKEY_TEST_BIN` where that is set, else brought up to
/// date by cargo, once.
pub(crate) fn solekey() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| env::var_os("SOLEKEY_TEST_BIN").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let exe = env::current_exe().unwrap();
    // `target/[triple/]profile/deps/e2e-…`
    let folder = exe.ancestors().nth(2).expect("test binaries lie in target/profile/deps");
    let target = &*target();
    let profile = folder.file_name().unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--package", "solekey-cli", "--bin", "solekey", "--profile"])
        .arg(if profile == "debug" { "dev".as_ref() } else { profile })
        .arg("--target-dir")
        .arg(target);
    if let Some(triple) = folder.parent().filter(|parent| *parent != target).and_then(Path::file_name) {
        cargo.arg("--target").arg(triple);
    }
    let built = cargo.output().expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.join("solekey")
}

/// Cargo's target folder, which it marks, and below which this test lies.
pub(crate) fn target() -> PathBuf {
    let exe = env::current_exe().unwrap();
    let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.expect("cargo marks its target folder").to_owned()
}
