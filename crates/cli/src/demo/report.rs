//! The output of `--json`, and the conditions that it has to satisfy.

use serde::Serialize;

use super::phase::{Killed, Phase};

/// The object of `--json`. Every number was counted: requests by the load driver, presentations by the provider.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    replicas: usize,
    pids: Vec<u32>,
    accounts: usize,
    rotations: u64,
    presentations: u64,
    double_presentations: u64,
    burned_accounts: u64,
    requests: u64,
    failed_requests: u64,
    retried_requests: u64,
    wait_ms: WaitMs,
    killed: Option<KilledReport>,
    coordination: &'static str,
    uncoordinated: Uncoordinated,
}

#[derive(Debug, Serialize)]
struct WaitMs {
    p50: f64,
    p99: f64,
}

#[derive(Debug, Serialize)]
struct KilledReport {
    pid: u32,
    account: String,
    presentation_open: bool,
}

#[derive(Debug, Serialize)]
struct Uncoordinated {
    burned_accounts: u64,
    double_presentations: u64,
}

impl Report {
    pub(super) fn new(
        accounts: usize,
        coordination: &'static str,
        coordinated: &Phase,
        uncoordinated: &Phase,
    ) -> Self {
        let Phase { pids, traffic, refereed, killed, troubles: _ } = coordinated;
        Self {
            replicas: pids.len(),
            pids: pids.clone(),
            accounts,
            rotations: refereed.rotations,
            presentations: refereed.presentations,
            double_presentations: refereed.double_presentations,
            burned_accounts: refereed.burned_accounts,
            requests: traffic.requests,
            failed_requests: traffic.failed_requests,
            retried_requests: traffic.retried_requests,
            wait_ms: WaitMs { p50: traffic.waits.p50_ms, p99: traffic.waits.p99_ms },
            killed: killed.as_ref().map(KilledReport::new),
            coordination,
            uncoordinated: Uncoordinated {
                burned_accounts: uncoordinated.refereed.burned_accounts,
                double_presentations: uncoordinated.refereed.double_presentations,
            },
        }
    }
}

impl KilledReport {
    fn new(killed: &Killed) -> Self {
        let kill = &killed.kill;
        Self { pid: kill.pid, account: kill.account.clone(), presentation_open: kill.presentation_open }
    }
}

/// Returns the conditions that the coordinated phase did not satisfy; empty if it satisfied all.
pub(super) fn shortcomings(accounts: usize, phase: &Phase) -> Vec<String> {
    let Phase { pids: _, traffic, refereed, killed, troubles } = phase;
    let mut found = troubles.clone();
    let mut none = |what: &str, count: u64| {
        if count > 0 {
            found.push(format!("{what}: {count}, expected none"));
        }
    };
    none("double presentations", refereed.double_presentations);
    none("burned accounts", refereed.burned_accounts);
    none("failed requests", traffic.failed_requests);
    if refereed.rotations <= accounts as u64 {
        found.push(format!("rotations: {}, expected more than {accounts}", refereed.rotations));
    }
    found.extend(kill_shortcoming(killed.as_ref()));
    found
}

fn kill_shortcoming(killed: Option<&Killed>) -> Option<String> {
    let Some(Killed { kill, recovered_after }) = killed else {
        return Some("no replica was killed while the provider held its request".into());
    };
    if !kill.presentation_open {
        return Some(format!("the provider did not drop the request of {}", kill.replica));
    }
    let account = &kill.account;
    recovered_after.is_none().then(|| format!("{account} was not refreshed again after its owner was killed"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::demo::figures::{Traffic, Waits};
    use crate::demo::killer::Kill;
    use crate::demo::provider::Refereed;

    const ACCOUNTS: usize = 36;

    fn killed() -> Killed {
        let kill = Kill {
            pid: 12,
            replica: "replica-2".into(),
            account: "coordinated-007".into(),
            presentation_open: true,
            seq: 40,
        };
        Killed { kill, recovered_after: Some(Duration::from_secs(3)) }
    }

    fn good() -> Phase {
        Phase {
            pids: vec![11, 12, 13, 14],
            traffic: Traffic {
                requests: 8000,
                retried_requests: 2,
                waits: Waits { count: 90, p50_ms: 210.5, p99_ms: 3100.0 },
                ..Traffic::default()
            },
            refereed: Refereed { presentations: 141, rotations: 140, ..Refereed::default() },
            killed: Some(killed()),
            troubles: Vec::new(),
        }
    }

    fn contrast() -> Phase {
        let refereed =
            Refereed { presentations: 150, rotations: 37, double_presentations: 110, burned_accounts: 36 };
        Phase { refereed, ..Phase::default() }
    }

    #[test]
    fn the_object_has_the_promised_keys_with_the_figures_of_the_right_phase() {
        let report = Report::new(ACCOUNTS, "redis", &good(), &contrast());
        let expected = json!({
            "replicas": 4,
            "pids": [11, 12, 13, 14],
            "accounts": 36,
            "rotations": 140,
            "presentations": 141,
            "double_presentations": 0,
            "burned_accounts": 0,
            "requests": 8000,
            "failed_requests": 0,
            "retried_requests": 2,
            "wait_ms": {"p50": 210.5, "p99": 3100.0},
            "killed": {"pid": 12, "account": "coordinated-007", "presentation_open": true},
            "coordination": "redis",
            "uncoordinated": {"burned_accounts": 36, "double_presentations": 110},
        });
        assert_eq!(serde_json::to_value(report).unwrap(), expected);
    }

    #[test]
    fn without_a_kill_the_object_says_null() {
        let report = Report::new(ACCOUNTS, "embedded", &Phase { killed: None, ..good() }, &contrast());
        assert_eq!(serde_json::to_value(report).unwrap()["killed"], Value::Null);
    }

    #[test]
    fn a_phase_that_kept_every_promise_has_no_shortcomings() {
        assert_eq!(shortcomings(ACCOUNTS, &good()), Vec::<String>::new());
    }

    #[test]
    fn each_broken_promise_is_a_shortcoming() {
        let refereed = good().refereed;
        let traffic = good().traffic;
        let unseen = Killed { kill: Kill { presentation_open: false, ..killed().kill }, ..killed() };
        let lost = Killed { recovered_after: None, ..killed() };
        let cases = [
            (
                Phase { refereed: Refereed { double_presentations: 1, ..refereed }, ..good() },
                "double presentations: 1",
            ),
            (Phase { refereed: Refereed { burned_accounts: 2, ..refereed }, ..good() }, "burned accounts: 2"),
            (Phase { refereed: Refereed { rotations: 36, ..refereed }, ..good() }, "rotations: 36"),
            (Phase { traffic: Traffic { failed_requests: 3, ..traffic }, ..good() }, "failed requests: 3"),
            (Phase { killed: None, ..good() }, "no replica was killed"),
            (Phase { killed: Some(unseen), ..good() }, "did not drop the request"),
            (Phase { killed: Some(lost), ..good() }, "was not refreshed again"),
            (Phase { troubles: vec!["replica-3 had ended by itself".into()], ..good() }, "ended by itself"),
        ];
        for (phase, expected) in cases {
            let found = shortcomings(ACCOUNTS, &phase);
            assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        }
    }
}
