//! Durations as people write them.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

/// A number and a unit: `500ms`, `30s`, `10m`, `2h`, `1d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = PATTERN))]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<String> for Span {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse(&text).map(Self).ok_or(EXPECTED)
    }
}

impl fmt::Display for Span {
    /// In the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
        let largest = units.into_iter().find(|(size, _)| millis >= *size && millis.is_multiple_of(*size));
        match largest {
            Some((size, unit)) => write!(f, "{}{unit}", millis / size),
            None if millis == 0 => f.write_str("0s"),
            None => write!(f, "{millis}ms"),
        }
    }
}

fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

const EXPECTED: &str = "expected a duration: a number with ms, s, m, h or d";
/// The same for a schema.
pub(super) const PATTERN: &str = "^[0-9]+(ms|s|m|h|d)$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_duration() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("2h", 7_200_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "30", "s", "-1s", "1.5s", "30 s", " 30s", "1h30m", "30S", "18446744073709551615d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_in_its_largest_unit() {
        for (text, shortest) in [
            ("500ms", "500ms"),
            ("1500ms", "1500ms"),
            ("60s", "1m"),
            ("90s", "90s"),
            ("120m", "2h"),
            ("48h", "2d"),
            ("0m", "0s"),
        ] {
            assert_eq!(parse(text).map(|span| Span(span).to_string()).as_deref(), Some(shortest), "{text}");
        }
    }
}
