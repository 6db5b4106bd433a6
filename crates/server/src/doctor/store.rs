//! Checks store, answers and seal key as an instance uses them.

use std::time::Duration;

use solekey::Health;

use super::{finding::Finding, seals};
use crate::config::Config;

/// Builds the instance that `serve` would build, read-only; reads its health, and ends it.
pub(super) async fn examine(config: Config) -> Vec<Finding> {
    let (coordination, sealing) = (config.coordination(), config.is_sealing());
    let solekey = match config.into_builder().read_only().build().await {
        Ok(solekey) => solekey,
        Err(error) => {
            let observed =
                std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                    .map(ToString::to_string)
                    .collect::<Vec<_>>();
            return vec![Finding::error(
                STORE,
                observed.join(": "),
                "correct the place that is named, or its permissions",
            )];
        }
    };
    let health = solekey.health().await;
    let mut findings = assess(&health, coordination, sealing);
    // If store, answers and seal key do not belong together, only that is reported, and nothing about sealed values.
    if health.sealing.is_some() && health.answers {
        findings.push(seals::assess(&solekey.count_seals(COUNT).await));
    }
    solekey.shutdown(Duration::from_secs(1)).await;
    findings
}

fn assess(health: &Health, coordination: &str, sealing: bool) -> Vec<Finding> {
    let mut findings = vec![store(health, coordination), answers(health), seal(sealing)];
    findings.extend(health.mistake.as_deref().map(|mistake| {
        Finding::error(
            "backends",
            mistake,
            "nothing is refreshed until store, answers and seal key belong together",
        )
    }));
    findings
}

fn store(health: &Health, coordination: &str) -> Finding {
    if let (true, Some(why)) = (health.store, health.refresh.why.as_deref()) {
        return Finding::error(
            STORE,
            format!("answers, and nothing can be refreshed: {why}"),
            "correct what refuses",
        );
    }
    if health.store {
        return Finding::ok(STORE, format!("answers; coordination through {coordination}"));
    }
    let why = health.refresh.why.as_deref().unwrap_or("the store does not answer");
    Finding::error(STORE, why, "nothing is refreshed until it can be read")
}

fn answers(health: &Health) -> Finding {
    if health.answers || health.mistake.is_some() {
        return Finding::ok("answers", "can be read and written");
    }
    Finding::error(
        "answers",
        "cannot be read or written",
        "until they can, doubt about a refresh is waited out",
    )
}

fn seal(sealing: bool) -> Finding {
    if sealing {
        return Finding::ok("seal", "what is stored and shared is sealed");
    }
    Finding::note(
        "seal",
        "no key: tokens are stored and shared as they are; SOLEKEY_SEAL_KEY would seal them",
    )
}

const STORE: &str = "store";
/// Enough for some thousand accounts on a server nearby. Of more accounts only the first are counted, and the finding
/// states that.
const COUNT: Duration = Duration::from_secs(5);
