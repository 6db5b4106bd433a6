//! The end of the demo for people: both phases side by side.

use std::fmt::Write as _;

use super::figures::WAITED_FROM;
use super::phase::{Killed, Phase};

/// Both phases side by side, and what the owner's end did to its account.
pub(super) fn summary(
    accounts: usize,
    coordination: &str,
    coordinated: &Phase,
    uncoordinated: &Phase,
) -> String {
    let mut text = row("", coordination, "not coordinated");
    for (name, cell) in rows() {
        text += &row(name, &cell(coordinated, accounts), &cell(uncoordinated, accounts));
    }
    // Writing into a String cannot fail.
    let _ = writeln!(text, "* successful requests that took longer than {WAITED_FROM:?}");
    if let Some(killed) = &coordinated.killed {
        text += &outcome(killed);
    }
    for (name, phase) in [("coordinated", coordinated), ("not coordinated", uncoordinated)] {
        for (kind, count) in &phase.traffic.failures {
            let _ = writeln!(text, "{name}: {count} requests failed with {kind}");
        }
    }
    text
}

type Cell = fn(&Phase, usize) -> String;

fn rows() -> [(&'static str, Cell); 9] {
    [
        ("requests", |phase, _| phase.traffic.requests.to_string()),
        ("failed requests", |phase, _| phase.traffic.failed_requests.to_string()),
        ("retried after the kill", |phase, _| phase.traffic.retried_requests.to_string()),
        ("waited *", |phase, _| phase.traffic.waits.count.to_string()),
        ("  for, p50 / p99", |phase, _| waits(phase)),
        ("presentations", |phase, _| phase.refereed.presentations.to_string()),
        ("rotations", |phase, _| phase.refereed.rotations.to_string()),
        ("double presentations", |phase, _| phase.refereed.double_presentations.to_string()),
        ("burned accounts", |phase, accounts| format!("{} of {accounts}", phase.refereed.burned_accounts)),
    ]
}

fn row(name: &str, one: &str, two: &str) -> String {
    format!("{name:<24}{one:>24}{two:>24}\n")
}

fn waits(phase: &Phase) -> String {
    let waits = phase.traffic.waits;
    if waits.count == 0 {
        return "-".into();
    }
    format!("{:.0} / {:.0} ms", waits.p50_ms, waits.p99_ms)
}

fn outcome(killed: &Killed) -> String {
    let Killed { kill, recovered_after } = killed;
    let after = recovered_after.map_or_else(
        || "has not been refreshed since".to_owned(),
        |after| format!("was refreshed by another replica {after:.1?} later"),
    );
    format!(
        "{} (pid {}) was killed while the provider held its request for {}; the account {after}\n",
        kill.replica, kill.pid, kill.account
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::figures::{Traffic, Waits};
    use crate::demo::provider::Refereed;

    #[test]
    fn the_phases_stand_side_by_side() {
        let phase = |burned_accounts, count| Phase {
            refereed: Refereed { burned_accounts, ..Refereed::default() },
            traffic: Traffic { waits: Waits { count, p50_ms: 205.4, p99_ms: 3000.0 }, ..Traffic::default() },
            ..Phase::default()
        };
        let text = summary(36, "redis", &phase(0, 9), &phase(35, 0));
        let line = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("burned"), "burned accounts 0 of 36 35 of 36");
        assert_eq!(line("  for"), "for, p50 / p99 205 / 3000 ms -");
    }
}
