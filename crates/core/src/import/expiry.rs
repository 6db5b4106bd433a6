//! How documents write down when a token ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::{Document, InputError};

/// Where documents keep the instant an access token ends: ours, the Gemini CLI's, and the one of Go programs.
pub(crate) const ENDS_AT: [&str; 3] = ["expires_at", "expiry_date", "expiry"];
/// Where they keep its lifetime.
pub(crate) const LASTS: [&str; 1] = ["expires_in"];
/// Where they keep the instant a refresh token ends.
pub(crate) const REFRESH_ENDS_AT: [&str; 2] = ["refresh_token_expires_at", "refresh_expires_at"];
/// Where answers keep its lifetime: GitHub, Keycloak, QuickBooks.
pub(crate) const REFRESH_LASTS: [&str; 3] =
    ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"];

/// The time left that a document states; `None` when it does not say. Every field that says something is checked.
pub(crate) fn stated(
    document: &Document,
    ends_at: &[&str],
    lasts: &[&str],
    wall_now: SystemTime,
) -> Result<Option<Duration>, InputError> {
    let mut left = None;
    for name in ends_at {
        let end =
            document.raw(name).map(instant).transpose().map_err(|_| InputError::new(*name, AN_INSTANT))?;
        left = left.or(end.flatten().map(|end| end.duration_since(wall_now).unwrap_or_default()));
    }
    for name in lasts {
        let span = document.raw(name).map(span).transpose().map_err(|_| InputError::new(*name, A_SPAN))?;
        left = left.or(span.flatten());
    }
    Ok(left)
}

/// The lifetime that an answer states; what cannot be read counts as not said.
pub(crate) fn answered(document: &Document, lasts: &[&str]) -> Option<Duration> {
    lasts.iter().find_map(|name| span(document.raw(name)?).ok()?)
}

/// Writes a new end over those of `ends_at` that are there, each in the unit and type it had. An unknown end becomes
/// `null`: the old one speaks of another token. Says whether there was one.
pub(crate) fn restate_end(document: &mut Document, ends_at: &[&str], end: Option<SystemTime>) -> bool {
    restate(document, ends_at, |style| end.map(|end| style.instant(end)))
}

/// The same for lifetimes.
pub(crate) fn restate_span(document: &mut Document, lasts: &[&str], span: Option<Duration>) -> bool {
    restate(document, lasts, |style| span.map(|span| style.span(span)))
}

/// An instant as people and JSON write it, in microseconds at most.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn restate(document: &mut Document, names: &[&str], value: impl Fn(Style) -> Option<String>) -> bool {
    let mut found = false;
    for name in names {
        let Some(raw) = document.raw(name) else { continue };
        let json = value(Style::of(raw)).unwrap_or_else(|| "null".to_owned());
        document.set(name, &json);
        found = true;
    }
    found
}

/// A value that is no time at all.
#[derive(PartialEq, Eq, Debug)]
struct Unreadable;

/// `None` when it says that it is unknown: `null`, zero, negative.
fn instant(raw: &str) -> Result<Option<SystemTime>, Unreadable> {
    match serde_json::from_str(raw).map_err(|_| Unreadable)? {
        Value::Null => Ok(None),
        Value::Number(number) => epoch(number.as_f64().ok_or(Unreadable)?),
        Value::String(text) => match text.trim().parse() {
            Ok(number) => epoch(number),
            Err(_) => {
                text.trim().parse::<jiff::Timestamp>().map(|at| Some(at.into())).map_err(|_| Unreadable)
            }
        },
        _ => Err(Unreadable),
    }
}

/// Seconds or milliseconds since 1970, told apart by magnitude.
fn epoch(number: f64) -> Result<Option<SystemTime>, Unreadable> {
    let seconds = if number < FIRST_MILLIS { number } else { number / 1000.0 };
    if seconds >= FIRST_MILLIS {
        return Err(Unreadable);
    }
    Ok(positive(seconds)?.and_then(|since| UNIX_EPOCH.checked_add(since)))
}

/// As [`instant`], for a lifetime in seconds.
fn span(raw: &str) -> Result<Option<Duration>, Unreadable> {
    let seconds = match serde_json::from_str(raw).map_err(|_| Unreadable)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64().ok_or(Unreadable)?,
        Value::String(text) => text.trim().parse().map_err(|_| Unreadable)?,
        _ => return Err(Unreadable),
    };
    Ok(positive(seconds)?.map(|span| span.min(LONGEST)))
}

fn positive(seconds: f64) -> Result<Option<Duration>, Unreadable> {
    if seconds <= 0.0 {
        return Ok(None);
    }
    Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| Unreadable)
}

/// How a document writes an instant or a lifetime.
#[derive(Clone, Copy)]
struct Style {
    unit: Unit,
    quoted: bool,
}

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Millis,
    Rfc3339,
}

impl Style {
    fn of(raw: &str) -> Self {
        let bare = raw.trim_matches('"').trim();
        let unit = match bare.parse::<f64>() {
            Ok(number) if number >= FIRST_MILLIS => Unit::Millis,
            Err(_) if bare.parse::<jiff::Timestamp>().is_ok() => Unit::Rfc3339,
            _ => Unit::Seconds,
        };
        Self { unit, quoted: raw.starts_with('"') }
    }

    fn instant(self, at: SystemTime) -> String {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.write(match self.unit {
            Unit::Seconds => since.as_secs().to_string(),
            Unit::Millis => since.as_millis().to_string(),
            Unit::Rfc3339 => rfc3339(at),
        })
    }

    fn span(self, span: Duration) -> String {
        self.write(span.as_secs().to_string())
    }

    fn write(self, value: String) -> String {
        if self.quoted { format!("\"{value}\"") } else { value }
    }
}

/// As seconds this is the year 5138, as milliseconds 1973: no token ends in either.
const FIRST_MILLIS: f64 = 1e11;
/// A hundred years: longer lifetimes mean "for ever" and would overflow somebody's clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
const AN_INSTANT: &str = "seconds or milliseconds since 1970, or an RFC 3339 time";
const A_SPAN: &str = "a number of seconds";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn secs(raw: &str) -> Option<u64> {
        Some(instant(raw).ok()??.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn an_instant_is_read_however_it_is_written() {
        for raw in [
            "1735689600",
            "1735689600.0",
            "1735689600000",
            "\"1735689600\"",
            "\"1735689600000\"",
            "\"2025-01-01T00:00:00Z\"",
            "\"2025-01-01T01:00:00.000000+01:00\"",
        ] {
            assert_eq!(secs(raw), Some(1_735_689_600), "{raw}");
        }
    }

    #[test]
    fn unknown_is_not_the_same_as_unreadable() {
        for raw in ["null", "0", "-1", "\"0\""] {
            assert_eq!(instant(raw), Ok(None), "{raw}");
            assert_eq!(span(raw), Ok(None), "{raw}");
        }
        for raw in [
            "true",
            "{}",
            "[]",
            "\"\"",
            "\"soon\"",
            "\"NaN\"",
            "\"inf\"",
            "1e300",
            "\"2025-13-01T00:00:00Z\"",
        ] {
            assert_eq!(instant(raw), Err(Unreadable), "{raw}");
        }
        for raw in ["true", "{}", "\"\"", "\"1h\"", "\"NaN\"", "\"inf\"", "1e300"] {
            assert_eq!(span(raw), Err(Unreadable), "{raw}");
        }
    }

    #[test]
    fn a_new_end_is_written_the_way_the_old_one_was() {
        let end = UNIX_EPOCH + Duration::from_millis(1_735_689_600_500);
        for (before, after) in [
            ("1700000000", "1735689600"),
            ("1700000000000", "1735689600500"),
            ("\"1700000000\"", "\"1735689600\""),
            ("\"1700000000000\"", "\"1735689600500\""),
            ("\"2023-11-14T22:13:20+00:00\"", "\"2025-01-01T00:00:00.5Z\""),
            ("null", "1735689600"),
        ] {
            assert_eq!(Style::of(before).instant(end), after);
        }
    }
}
