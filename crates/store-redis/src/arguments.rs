//! Core's plain enums as the words they have in stored documents.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The word of a variant without fields.
pub(crate) fn word(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(Value::String(word)) => word,
        // Unreachable for enums without fields; a reader refuses the empty word.
        _ => String::new(),
    }
}

/// The variant of a word.
pub(crate) fn parse<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

#[cfg(test)]
mod tests {
    use solekey_core::{Cause, Delay, Revocation};

    use super::*;

    #[test]
    fn words_read_back_and_unknown_ones_do_not() {
        assert_eq!(parse(&word(&Cause::Rejected)), Some(Cause::Rejected));
        assert_eq!(parse(&word(&Delay::RejectedAgain)), Some(Delay::RejectedAgain));
        assert_eq!(parse(&word(&Revocation::NoRefreshToken)), Some(Revocation::NoRefreshToken));
        assert_eq!(parse(&word(&Revocation::RotatedElsewhere)), Some(Revocation::RotatedElsewhere));
        assert_eq!(word(&Delay::InFlight), "in_flight", "the commit script writes this one");
        assert_eq!(parse::<Cause>("boredom"), None);
    }
}
