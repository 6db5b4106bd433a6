//! Store, answers and seal key, as an instance meets them.

use std::time::Duration;

use solekey::Health;

use super::{finding::Finding, seals};
use crate::config::Config;

/// Builds the instance that `serve` would build, to look and not to work; asks it how it is, and ends it.
pub(super) async fn examine(config: Config) -> Vec<Finding> {
    let (coordination, sealing) = (config.coordination(), config.is_sealing());
    let solekey = match config.into_builder().onlooker().build().await {
        Ok(solekey) => solekey,
        Err(error) => {
            let said = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                .map(ToString::to_string)
                .collect::<Vec<_>>();
            return vec![Finding::error(
                STORE,
                said.join(": "),
                "correct the place that is named, or its permissions",
            )];
        }
    };
    let health = solekey.health().await;
    let mut findings = judge(&health, coordination, sealing);
    // Who does not belong here is told so, and nothing about what others have sealed.
    if health.sealing.is_some() && health.answers {
        findings.push(seals::judge(&solekey.count_seals(COUNT).await));
    }
    solekey.shutdown(Duration::from_secs(1)).await;
    findings
}

fn judge(health: &Health, coordination: &str, sealing: bool) -> Vec<Finding> {
    let mut findings = vec![store(health, coordination), answers(health), seal(sealing)];
    findings.extend(health.mistake.as_deref().map(|mistake| {
        Finding::error(
            "membership",
            mistake,
            "nothing is refreshed until store, answers and seal key belong together",
        )
    }));
    findings
}

fn store(health: &Health, coordination: &str) -> Finding {
    if health.store {
        return Finding::ok(STORE, format!("answers; coordination through {coordination}"));
    }
    Finding::error(STORE, "does not answer", "nothing is refreshed until it does")
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
/// Some thousand accounts on a server nearby; of more a beginning is counted, and said to be one.
const COUNT: Duration = Duration::from_secs(5);
