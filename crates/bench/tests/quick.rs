//! The table, with counts that mean nothing about speed.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use solekey_testkit::postgres::is_waived;

#[test]
fn every_row_runs() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_solekey-bench"));
    bench.arg("--quick");
    if is_waived() {
        bench.args(["--waive", "due-postgres"]);
    }
    let output = bench.output().unwrap();
    let (table, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{table}\n{errors}");
    for (name, rows) in [
        ("hit", 4),
        ("shared-cache", 6),
        ("lease", 5),
        ("wake", 1),
        ("herd", 6),
        ("scale", 2),
        ("due-redis", 1),
        ("due-sqlite", 1),
        ("due-postgres", 1),
    ] {
        let lines = table.lines().filter(|line| line.split(' ').nth(1) == Some(name));
        assert_eq!(lines.count(), rows, "{name}:\n{table}");
    }
}
