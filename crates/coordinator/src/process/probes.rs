//! What store and answers do with writes that belong to no account.

use std::time::Duration;

use solekey_core::{Moment, mutant};
use tokio::sync::Mutex;

use super::Process;

/// The last probe. One at a time, however many ask.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<Option<Probe>>);

/// The result of a probe: nothing, or why nothing can be refreshed.
#[derive(Debug)]
struct Probe {
    at: Moment,
    trouble: Option<String>,
}

impl Process {
    /// Why store or answers cannot be written, in their own words: as of a few seconds ago at most. `None`: they can.
    pub(crate) async fn trouble_of_writes(&self) -> Option<String> {
        let mut last = self.probes.0.lock().await;
        let now = self.now();
        if let Some(probe) = &*last
            && now.since(probe.at) < PROBE_LASTS
        {
            return probe.trouble.clone();
        }
        let trouble = self.probe_writes().await;
        let before = last.replace(Probe { at: now, trouble: trouble.clone() });
        report(before.and_then(|probe| probe.trouble).as_deref(), trouble.as_deref());
        trouble
    }

    async fn probe_writes(&self) -> Option<String> {
        if mutant("readiness_writes_nothing") {
            return None;
        }
        let store = tokio::time::timeout(PATIENCE, self.store().probe());
        let answers = tokio::time::timeout(PATIENCE, self.answers().probe());
        let (store, answers) = tokio::join!(store, answers);
        let store = words("the store", store);
        let answers = words("the location of answers", answers);
        match (store, answers) {
            (Some(store), Some(answers)) => Some(format!("{store}; {answers}")),
            (one, other) => one.or(other),
        }
    }
}

/// The error and what led to it, in the words of whoever refused.
fn words<E: std::error::Error>(
    what: &str,
    probed: Result<Result<(), E>, tokio::time::error::Elapsed>,
) -> Option<String> {
    let Ok(answered) = probed else {
        return Some(format!("{what} did not answer within {} s", PATIENCE.as_secs()));
    };
    let error = answered.err()?;
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    Some(format!("{what}: {said}"))
}

fn report(before: Option<&str>, now: Option<&str>) {
    match now {
        Some(reason) if before != now => {
            tracing::warn!(reason, "nothing can be refreshed; tokens are served until they end");
        }
        None if before.is_some() => tracing::info!("store and answers take writes again"),
        _ => {}
    }
}

/// However many probe this process, store and answers are written so rarely.
const PROBE_LASTS: Duration = Duration::from_secs(5);
/// Whoever probes waits a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(3);
