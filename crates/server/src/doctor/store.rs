//! Store, answers and seal key, as an instance meets them.

use solekey::Health;

use super::finding::Finding;
use crate::config::Config;

/// Builds the instance that `serve` would build, asks it how it is, and ends it.
pub(super) async fn examine(config: Config) -> Vec<Finding> {
    let (coordination, sealing) = (config.coordination(), config.is_sealing());
    let solekey = match config.into_builder().build().await {
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
    solekey.shutdown(std::time::Duration::from_secs(1)).await;
    judge(&health, coordination, sealing)
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
