//! How documents write down when a token ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::{Credential, Document, InputError, Shape};

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

/// Writes the end of a new access token: over every one that is there, each in the unit and type it had, else as one
/// more field where the shape has a place for it. An unknown end becomes `null`: the old one speaks of another token.
pub(crate) fn restate(document: &mut Document, shape: Shape, end: Option<SystemTime>, wall_now: SystemTime) {
    let names = shape.names();
    let span = end.map(|end| end.duration_since(wall_now).unwrap_or_default());
    let had_end = restate_end(document, names.ends_at, end);
    let had_span = rewrite(document, names.lasts, |style| span.map(|span| style.span(span)));
    if shape != Shape::CodexAuth && !had_end && !had_span && end.is_some() {
        document.set(names.ends_at[0], "null");
        restate_end(document, &names.ends_at[..1], end);
    }
}

/// Writes an end over those of `ends_at` that are there. Says whether there was one.
pub(crate) fn restate_end(document: &mut Document, ends_at: &[&str], end: Option<SystemTime>) -> bool {
    rewrite(document, ends_at, |style| end.map(|end| style.instant(end)))
}

/// When the refresh token ends, where the credential says so.
pub(crate) fn refresh_end(credential: &Credential, wall_now: SystemTime) -> Option<SystemTime> {
    let ends_at = credential.names().refresh_ends_at;
    let left = stated(credential.tokens(), ends_at, &[], wall_now).ok().flatten()?;
    wall_now.checked_add(left)
}

/// Whether a value is a string that holds a time.
pub(crate) fn is_rfc3339(raw: &str) -> bool {
    let text: Option<String> = serde_json::from_str(raw).ok();
    text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
}

/// An instant as people and JSON write it, in microseconds at most.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn rewrite(document: &mut Document, names: &[&str], value: impl Fn(Style) -> Option<String>) -> bool {
    let mut found = false;
    for name in names {
        let Some(raw) = document.raw(name) else { continue };
        let json = value(Style::of(name, raw)).unwrap_or_else(|| "null".to_owned());
        document.set(name, &json);
        found = true;
    }
    found
}

/// A value that is no time at all.
#[derive(PartialEq, Eq, Debug)]
struct Unreadable;

/// `None` when it says that it is unknown: `null`, blank, zero, negative.
fn instant(raw: &str) -> Result<Option<SystemTime>, Unreadable> {
    match serde_json::from_str(raw).map_err(|_| Unreadable)? {
        Value::Null => Ok(None),
        Value::Number(number) => epoch(number.as_f64().ok_or(Unreadable)?),
        Value::String(text) if text.trim().is_empty() => Ok(None),
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
        Value::String(text) if text.trim().is_empty() => return Ok(None),
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Millis,
    Rfc3339,
}

impl Unit {
    fn usual(name: &str) -> Self {
        match name {
            "expiry_date" | "expiresAt" | "refreshTokenExpiresAt" => Self::Millis,
            "expiry" => Self::Rfc3339,
            _ => Self::Seconds,
        }
    }
}

impl Style {
    /// The style of what is there; a value that says nothing shows its type at most, the rest is as its name has it. What
    /// only Claude Code writes is in milliseconds.
    fn of(name: &str, raw: &str) -> Self {
        let bare = raw.trim_matches('"').trim();
        let only_millis = matches!(name, "expiresAt" | "refreshTokenExpiresAt");
        let shown = match bare.parse::<f64>() {
            Ok(number) if number >= FIRST_MILLIS => Some(Unit::Millis),
            Ok(number) if number > 0.0 && !only_millis => Some(Unit::Seconds),
            Err(_) if bare.parse::<jiff::Timestamp>().is_ok() => Some(Unit::Rfc3339),
            _ => None,
        };
        let unit = shown.unwrap_or_else(|| Unit::usual(name));
        Self { unit, quoted: raw.starts_with('"') || unit == Unit::Rfc3339 }
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
        for raw in ["null", "0", "-1", "\"0\"", "\"\"", "\" \""] {
            assert_eq!(instant(raw), Ok(None), "{raw}");
            assert_eq!(span(raw), Ok(None), "{raw}");
        }
        for raw in ["true", "{}", "[]", "\"soon\"", "\"NaN\"", "\"inf\"", "1e300", "\"2025-13-01T00:00:00Z\""]
        {
            assert_eq!(instant(raw), Err(Unreadable), "{raw}");
        }
        for raw in ["true", "{}", "\"1h\"", "\"NaN\"", "\"inf\"", "1e300"] {
            assert_eq!(span(raw), Err(Unreadable), "{raw}");
        }
    }

    #[test]
    fn a_new_end_is_written_the_way_the_old_one_was() {
        let end = UNIX_EPOCH + Duration::from_millis(1_735_689_600_500);
        for (name, before, after) in [
            ("expires_at", "1700000000", "1735689600"),
            ("expires_at", "1700000000000", "1735689600500"),
            ("expiry_date", "1700000000", "1735689600"),
            ("expiresAt", "1700000000", "1735689600500"),
            ("expires_at", "\"1700000000\"", "\"1735689600\""),
            ("expires_at", "\"1700000000000\"", "\"1735689600500\""),
            ("expires_at", "\"2023-11-14T22:13:20+00:00\"", "\"2025-01-01T00:00:00.5Z\""),
            ("expires_at", "null", "1735689600"),
            ("expires_at", "\"\"", "\"1735689600\""),
            ("expiresAt", "null", "1735689600500"),
            ("expiresAt", "0", "1735689600500"),
            ("expiry_date", "null", "1735689600500"),
            ("expiry", "null", "\"2025-01-01T00:00:00.5Z\""),
        ] {
            assert_eq!(Style::of(name, before).instant(end), after, "{name} {before}");
        }
    }
}
