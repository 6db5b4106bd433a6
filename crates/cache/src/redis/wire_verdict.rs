//! The form of a verdict in Redis.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use solekey_core::{Decision, Generation, Verdict};

/// A verdict in the form it has in the shared cache, time as a number of the caller's choosing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WireVerdict {
    pub(crate) decision: &'static str,
    pub(crate) why: String,
    pub(crate) strikes: u8,
}

impl WireVerdict {
    pub(crate) fn of(verdict: &Verdict<Duration>) -> Self {
        let (decision, why) = match verdict.decision {
            Decision::LogIn { why } => (LOG_IN, word(&why)),
            Decision::NotBefore { why, .. } => (NOT_BEFORE, word(&why)),
        };
        Self { decision, why, strikes: verdict.strikes }
    }
}

/// Reads a verdict back; `None` when it has ended, or when a newer version says something this one cannot read.
pub(crate) fn verdict(
    generation: Generation,
    decision: &str,
    why: &str,
    strikes: u8,
    left: Duration,
) -> Option<Verdict<Duration>> {
    let decision = match decision {
        LOG_IN => Decision::LogIn { why: parse(why)? },
        NOT_BEFORE if !left.is_zero() => Decision::NotBefore { at: left, why: parse(why)? },
        _ => return None,
    };
    Some(Verdict { generation, decision, strikes })
}

/// The time until a verdict ends; zero for one that does not.
pub(crate) fn left(verdict: &Verdict<Duration>) -> Duration {
    match verdict.decision {
        Decision::NotBefore { at, .. } => at,
        Decision::LogIn { .. } => Duration::ZERO,
    }
}

/// The name core gives a reason in stored documents.
fn word(why: &impl Serialize) -> String {
    match serde_json::to_value(why) {
        Ok(serde_json::Value::String(word)) => word,
        // Reasons are plain words; were one not, readers would skip the verdict and read the row.
        _ => String::new(),
    }
}

fn parse<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

const LOG_IN: &str = "log_in";
const NOT_BEFORE: &str = "not_before";
