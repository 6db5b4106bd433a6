//! What providers answer instead of tokens, and whether that is new.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use solekey_core::{Delay, Moment, Outcome, ports::WirePhase};

/// Answers that were reported a short while ago, by provider and reason.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<HashMap<(String, String), Moment>>);

impl Answered {
    /// Returns whether a person should hear of this answer of a provider: one that has not been reported for an hour.
    pub(crate) fn is_new(&self, provider: &str, reason: &str, now: Moment) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reported.retain(|_, at| now.since(*at) < REPORTED_FOR);
        let key = (provider.to_owned(), reason.to_owned());
        let is_new = !reported.contains_key(&key) && reported.len() < MAX_REPORTED;
        if is_new {
            reported.insert(key, now);
        }
        is_new
    }
}

/// Returns whether an outcome is one that a person should know of: an answer, and none that is part of the protocol.
pub(crate) fn is_odd(outcome: Outcome<()>, phase: WirePhase) -> bool {
    let odd = match outcome {
        Outcome::OurFault | Outcome::Ambiguous => true,
        Outcome::Refused { why, .. } => why != Delay::RateLimited,
        _ => false,
    };
    odd && phase == WirePhase::Answered
}

/// The same answer, about whichever account, is reported again after so long.
const REPORTED_FOR: Duration = Duration::from_secs(60 * 60);
/// Providers times the codes that each of them has for its troubles.
const MAX_REPORTED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_answer_of_a_provider_is_reported_once_an_hour_and_another_one_at_once() {
        let (answered, start) = (Answered::default(), Moment::from_micros(0));
        let minute = Duration::from_secs(60);
        for (provider, reason, at, expected) in [
            ("acme", "403 without JSON", start, true),
            ("acme", "403 without JSON", start + minute, false),
            ("acme", "301 redirect to nowhere", start + minute, true),
            ("other", "403 without JSON", start + minute, true),
            ("acme", "403 without JSON", start + 59 * minute, false),
            ("acme", "403 without JSON", start + 61 * minute, true),
        ] {
            assert_eq!(answered.is_new(provider, reason, at), expected, "{provider} {reason} {at:?}");
        }
    }

    #[test]
    fn what_is_part_of_the_protocol_is_not_odd() {
        let refused = |why| Outcome::Refused { retry_after: None, why };
        for (outcome, phase, expected) in [
            (refused(Delay::ProviderDown), WirePhase::Answered, true),
            (Outcome::OurFault, WirePhase::Answered, true),
            (Outcome::Ambiguous, WirePhase::Answered, true),
            (Outcome::Ambiguous, WirePhase::Unanswered, false),
            (refused(Delay::RateLimited), WirePhase::Answered, false),
            (Outcome::Success(()), WirePhase::Answered, false),
            (Outcome::NonceWanted, WirePhase::Answered, false),
        ] {
            assert_eq!(is_odd(outcome, phase), expected, "{outcome:?}");
        }
    }
}
