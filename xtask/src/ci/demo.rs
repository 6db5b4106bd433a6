//! The acceptance of the demo, through Redis and embedded.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Ci;

impl Ci<'_> {
    pub(super) fn demo(&self) -> Result<()> {
        let profile = if self.deep {
            self.cargo(&["build", "--release", "--locked", "--bin", "solekey"])?;
            "release"
        } else {
            // What scripts/test has built for the tests of the binary.
            self.cargo(&["test", "--workspace", "--all-features", "--locked", "--no-run", "--test", "cli"])?;
            "debug"
        };
        let binary = self.repository.target.join(profile).join("solekey");
        let mut redis = self.script("scripts/with-redis");
        check("redis", redis.arg(&binary))?;
        let empty = self.repository.target.join("empty");
        fs::create_dir_all(&empty)?;
        check("embedded", self.repository.program(&binary.to_string_lossy()).env("PATH", &empty))
    }
}

/// Runs a demo, shows its report, and fails unless it holds.
fn check(coordination: &str, command: &mut Command) -> Result<()> {
    let options = ["demo", "--seconds", "20", "--json"];
    let output =
        command.args(options).env_remove("REDIS_URL").stderr(std::process::Stdio::inherit()).output()?;
    let report: Value = serde_json::from_slice(&output.stdout).context("the demo's report")?;
    // The report first: it says more than the status.
    println!("{report}");
    let mut holds = true;
    for (check, held) in checks(&report, coordination) {
        println!("{} {check}", if held { "ok  " } else { "NOT " });
        holds &= held;
    }
    ensure!(holds, "the demo did not show what it is there for");
    ensure!(output.status.success(), "the demo ended with {}", output.status);
    Ok(())
}

fn checks(report: &Value, coordination: &str) -> [(String, bool); 7] {
    let is = |name: &str, expected: u64| report[name] == expected;
    let more_than = |value: &Value, least: &Value| {
        value.as_u64().is_some_and(|value| least.as_u64().is_some_and(|least| value > least))
    };
    [
        (format!("coordination is {coordination}"), report["coordination"] == coordination),
        ("no token was presented twice".to_owned(), is("double_presentations", 0)),
        ("no account burned".to_owned(), is("burned_accounts", 0)),
        ("no request failed".to_owned(), is("failed_requests", 0)),
        (
            "accounts rotated more than once each".to_owned(),
            more_than(&report["rotations"], &report["accounts"]),
        ),
        (
            "an owner was killed while its presentation was open".to_owned(),
            report["killed"]["presentation_open"] == true,
        ),
        (
            "without coordination accounts burn".to_owned(),
            more_than(&report["uncoordinated"]["burned_accounts"], &0.into()),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_has_to_hold_everywhere() {
        let good = json!({
            "coordination": "redis", "double_presentations": 0, "burned_accounts": 0, "failed_requests": 0,
            "rotations": 31, "accounts": 30, "killed": {"presentation_open": true}, "uncoordinated": {"burned_accounts": 1},
        });
        assert!(checks(&good, "redis").iter().all(|(_, holds)| *holds));
        for (name, value) in [
            ("coordination", json!("embedded")),
            ("double_presentations", json!(1)),
            ("burned_accounts", json!(null)),
            ("failed_requests", json!(1)),
            ("rotations", json!(30)),
            ("killed", json!({"presentation_open": false})),
            ("uncoordinated", json!({"burned_accounts": 0})),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert_eq!(checks(&bad, "redis").iter().filter(|(_, holds)| !holds).count(), 1, "{name}");
        }
    }
}
