//! `solekey demo`, as a newcomer runs it.

use std::{ffi::OsStr, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use solekey_testkit::redis::find_server;
use tokio::process::Command;

use crate::{binary::solekey, wait::BOUND};

/// Two phases of this, the start of eight processes and their end.
const SECONDS: u64 = 12;
/// A demo waits for several things, one after the other.
const LONGEST: Duration = BOUND.saturating_mul(3);

async fn demo(path: &OsStr, log: &Path, more: &[&str]) -> Value {
    let mut command = Command::new(solekey());
    command
        .args(["demo", "--json", "--seconds", &SECONDS.to_string(), "--log"])
        .arg(log)
        .args(more)
        .env("PATH", path)
        .env_remove("REDIS_URL")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(LONGEST, command.output()).await.expect("the demo ends").unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {stderr}", ended.status);
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

fn assert_shows_what_it_promises(report: &Value, log: &Path, coordination: &str) {
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    let burned = |report: &Value| report["burned_accounts"].as_u64();
    assert_eq!(report["coordination"], coordination, "{report:#}");
    for name in ["double_presentations", "burned_accounts", "failed_requests"] {
        assert_eq!(number(name), 0, "{name}: {report:#}");
    }
    assert!(number("rotations") > number("accounts"), "{report:#}");
    assert!(number("presentations") >= number("rotations"), "{report:#}");
    assert!(number("requests") > number("rotations"), "{report:#}");
    assert_eq!(report["pids"].as_array().map(Vec::len), Some(4), "{report:#}");
    assert_eq!(number("replicas"), 4);
    assert!(report["wait_ms"]["p50"].is_number() && report["wait_ms"]["p99"].is_number(), "{report:#}");
    let killed = &report["killed"];
    assert_eq!(killed["presentation_open"], true, "{report:#}");
    assert!(report["pids"].as_array().unwrap().contains(&killed["pid"]), "{report:#}");
    assert!(killed["account"].is_string(), "{report:#}");
    assert!(burned(&report["uncoordinated"]).is_some_and(|burned| burned > 0), "{report:#}");
    assert!(report["uncoordinated"]["double_presentations"].as_u64().is_some_and(|doubles| doubles > 0));
    assert!(std::fs::read_to_string(log).unwrap().lines().count() as u64 >= number("presentations"));
}

#[tokio::test]
async fn the_demo_over_redis_burns_nothing_and_shows_what_happens_without() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.jsonl");
    let server = find_server().unwrap();
    let report = demo(server.parent().unwrap().as_os_str(), &log, &[]).await;
    assert_shows_what_it_promises(&report, &log, "redis");
}

#[tokio::test]
async fn the_demo_without_any_redis_burns_nothing_and_shows_what_happens_without() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.jsonl");
    let report = demo(folder.path().as_os_str(), &log, &[]).await;
    assert_shows_what_it_promises(&report, &log, "embedded");
}

/// The presentations of a demo before a provider with these ways.
async fn demo_before(provider: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.jsonl");
    let server = find_server().unwrap();
    let report = demo(server.parent().unwrap().as_os_str(), &log, &["--provider", provider]).await;
    assert_shows_what_it_promises(&report, &log, "redis");
    let lines = std::fs::read_to_string(&log).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_demo_before_a_provider_like_codex_burns_nothing() {
    demo_before("codex").await;
}

#[tokio::test]
async fn the_demo_before_a_provider_like_claude_burns_nothing() {
    demo_before("claude").await;
}

#[tokio::test]
async fn the_demo_before_a_provider_like_those_of_at_protocol_burns_nothing_and_meets_its_nonces() {
    let presentations = demo_before("atproto").await;
    assert!(presentations.iter().any(|presentation| presentation["decision"] == "nonce_wanted"));
}
