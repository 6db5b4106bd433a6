//! The ways in which documents write an instant or a lifetime.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::{
    Timestamp, civil,
    tz::{Offset, TimeZone},
};
use serde_json::Value as Json;

use super::names::is_in_millis;
use crate::{Shape, mutant};

/// The meaning of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// Nothing, or something that stands for "never": blank, zero, the zero times of languages, the ends of their ranges.
    Unknown,
    /// An instant.
    At(SystemTime),
    /// A lifetime.
    For(Duration),
}

/// A value that is no time at all.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Unreadable;

/// Reads what stands for an instant under this name. Where the name says so little that tools also write lifetimes under
/// it, those are distinguished by magnitude.
pub(crate) fn value(name: &str, raw: &str) -> Result<Value, Unreadable> {
    match serde_json::from_str(raw).map_err(|_| Unreadable)? {
        // Whether it has ended, and not when.
        Json::Null | Json::Bool(false) => Ok(Value::Unknown),
        Json::Bool(true) if name == "expired" => Ok(Value::At(UNIX_EPOCH + Duration::from_secs(1))),
        Json::Number(number) => number_value(name, number.as_f64().ok_or(Unreadable)?),
        Json::String(text) => text_value(name, text.trim()),
        Json::Bool(true) | Json::Array(_) | Json::Object(_) => Err(Unreadable),
    }
}

/// Reads a lifetime in seconds, or in the unit that its name states.
pub(crate) fn span(name: &str, raw: &str) -> Result<Option<Duration>, Unreadable> {
    let seconds = match serde_json::from_str(raw).map_err(|_| Unreadable)? {
        Json::Null => return Ok(None),
        Json::Number(number) => number.as_f64().ok_or(Unreadable)?,
        Json::String(text) if is_word_for_never(text.trim()) => return Ok(None),
        Json::String(text) => text.trim().parse().map_err(|_| Unreadable)?,
        _ => return Err(Unreadable),
    };
    if seconds.is_nan() || seconds >= BEYOND_NANOS {
        return Err(Unreadable);
    }
    let seconds = if is_in_millis(name) { seconds / 1000.0 } else { seconds };
    // The largest numbers of languages stand for "never"; those of these decades are instants under a wrong name.
    let positive = seconds > 0.0 && seconds < FIRST_INSTANT * 100.0;
    let is_lifetime = positive && !(1e9..2.1e9).contains(&seconds);
    Ok(is_lifetime.then(|| Duration::from_secs_f64(seconds).min(LONGEST)))
}

/// Returns whether a value that stands for an instant is a lifetime.
pub(crate) fn is_relative(name: &str, raw: &str) -> bool {
    matches!(value(name, raw), Ok(Value::For(_)))
}

fn text_value(name: &str, text: &str) -> Result<Value, Unreadable> {
    if is_word_for_never(text) {
        return Ok(Value::Unknown);
    }
    if let Ok(number) = text.parse::<f64>() {
        return number_value(name, number);
    }
    // Beyond what the calendar here can hold.
    if text.starts_with("9999-") {
        return Ok(Value::Unknown);
    }
    let (_, at) = Form::read(text).ok_or(Unreadable)?;
    Ok(plausible(seconds_of(at)))
}

fn is_word_for_never(text: &str) -> bool {
    const WORDS: [&str; 10] =
        ["", "never", "none", "null", "nil", "undefined", "inf", "infinity", "-infinity", "unlimited"];
    WORDS.contains(&&*text.to_ascii_lowercase())
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, or seconds from now, by magnitude.
fn number_value(name: &str, number: f64) -> Result<Value, Unreadable> {
    if number <= 0.0 {
        return Ok(Value::Unknown);
    }
    if lasts(name, number) {
        return Ok(Value::For(Duration::from_secs_f64(number)));
    }
    if number < FIRST_INSTANT {
        // What people write who want a token to have ended.
        return Ok(Value::At(UNIX_EPOCH + Duration::from_secs_f64(number)));
    }
    let unit = Unit::of(number).ok_or(Unreadable)?;
    Ok(plausible(number / unit.per_second()))
}

/// Returns whether a number under this name is a lifetime.
fn lasts(name: &str, number: f64) -> bool {
    const EITHER: [&str; 12] = [
        "expires",
        "expire",
        "expired",
        "expiry",
        "expiration",
        "exp",
        "Expiry",
        "token_expires",
        "token_expiration",
        "tokenExpiration",
        "access_token_expires",
        "accessTokenExpires",
    ];
    EITHER.contains(&name) && (60.0..FIRST_INSTANT).contains(&number)
}

/// The instant, unless no token ends in its year or it is the end of a range.
fn plausible(seconds: f64) -> Value {
    let is_end_of_range = [f64::from(i32::MAX), f64::from(u32::MAX)].contains(&seconds.trunc());
    let is_sentinel = !(FIRST_INSTANT..YEAR_2200).contains(&seconds) || is_end_of_range;
    if is_sentinel && !mutant("sentinel_for_never_is_an_end") {
        return Value::Unknown;
    }
    let since = Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    since.and_then(|since| UNIX_EPOCH.checked_add(since)).map_or(Value::Unknown, Value::At)
}

fn seconds_of(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// An instant as people and JSON write it, in microseconds at most.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    timestamp(at).to_string()
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// The form of an instant as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// RFC 3339 and its relatives.
    Iso {
        /// Between date and time.
        between: char,
        /// Of the fraction of the second; `None`: as many as it takes, up to six.
        digits: Option<usize>,
        zone: Zone,
    },
    /// As in headers of HTTP.
    Http,
}

/// The zone of a time as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Zone {
    /// `Z`.
    Zulu,
    /// UTC, by the convention of Google's libraries.
    Absent,
    /// Seconds east, with or without a colon between hours and minutes.
    East { seconds: i32, colon: bool },
    /// A word that stands for it behind the time, of [`WORDS_FOR_UTC`].
    Word(usize),
}

impl Form {
    /// RFC 3339 as we write it where nothing else is there.
    const OURS: Self = Self::Iso { between: 'T', digits: None, zone: Zone::Zulu };

    fn read(text: &str) -> Option<(Self, Timestamp)> {
        // The calendar here ends where others have their "never"; the form is that of any year.
        let near = text.strip_prefix("9999-").map(|rest| format!("2999-{rest}"));
        let text = near.as_deref().unwrap_or(text);
        let word = WORDS_FOR_UTC.iter().position(|word| text.ends_with(word));
        let bare = word.map_or(text, |word| &text[..text.len() - WORDS_FOR_UTC[word].len()]);
        if let Ok(at) = bare.parse::<Timestamp>()
            && word.is_none()
        {
            let form = parts(bare).zip(zone(bare));
            let form = form.map(|((between, digits), zone)| Self::Iso { between, digits, zone });
            return Some((form.unwrap_or(Self::OURS), at));
        }
        if let Ok(at) = bare.parse::<civil::DateTime>() {
            let (between, digits) = parts(bare).unwrap_or(('T', None));
            let zone = word.map_or(Zone::Absent, Zone::Word);
            let at = at.to_zoned(TimeZone::UTC).ok()?.timestamp();
            return Some((Self::Iso { between, digits, zone }, at));
        }
        let http = httpdate::parse_http_date(text).ok()?;
        Some((Self::Http, Timestamp::try_from(http).ok()?))
    }

    fn write(self, at: SystemTime) -> String {
        let Self::Iso { between, digits, zone } = self else { return httpdate::fmt_http_date(at) };
        let east = if let Zone::East { seconds, .. } = zone { seconds } else { 0 };
        let offset = Offset::from_seconds(east).unwrap_or(Offset::UTC);
        let time = offset.to_datetime(timestamp(at));
        let nanos = format!("{:09}", time.subsec_nanosecond());
        let fraction = match digits {
            Some(digits) => &nanos[..digits.min(9)],
            None => nanos.trim_end_matches('0'),
        };
        let point = if fraction.is_empty() { "" } else { "." };
        let clock = time.strftime("%H:%M:%S");
        format!("{}{between}{clock}{point}{fraction}{zone}", time.strftime("%Y-%m-%d"))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Zulu => f.write_str("Z"),
            Self::Absent => Ok(()),
            Self::Word(word) => f.write_str(WORDS_FOR_UTC[word]),
            Self::East { seconds, colon } => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.unsigned_abs() / 60;
                let colon = if colon { ":" } else { "" };
                write!(f, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

/// What stands between date and time, and the digits behind the second; `None` where they are not written in the usual
/// way.
fn parts(text: &str) -> Option<(char, Option<usize>)> {
    let between =
        text.chars().nth("2025-01-01".len()).filter(|between| matches!(between, 'T' | 't' | ' '))?;
    let clock = text.get("2025-01-01T".len()..)?;
    let digits = clock
        .split_once(['.', ','])
        .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    Some((between, Some(digits)))
}

/// The zone behind a time that has one.
fn zone(text: &str) -> Option<Zone> {
    if text.ends_with(['Z', 'z']) {
        return Some(Zone::Zulu);
    }
    let at = text.rfind(['+', '-'])?;
    let digits: String = text[at + 1..].chars().filter(char::is_ascii_digit).collect();
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i32>().ok();
    let seconds = number(0..2)? * 3600 + number(2..4).unwrap_or(0) * 60;
    let sign = if text[at..].starts_with('-') { -1 } else { 1 };
    Some(Zone::East { seconds: sign * seconds, colon: text[at..].contains(':') })
}

/// Behind times of command lines of AWS and Azure, of Ruby, and of Go's `String`.
const WORDS_FOR_UTC: [&str; 3] = [" +0000 UTC", " UTC", "UTC"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// The unit of a number of this magnitude.
    fn of(number: f64) -> Option<Self> {
        [
            (FIRST_MILLIS, Self::Seconds),
            (1e14, Self::Millis),
            (1e17, Self::Micros),
            (BEYOND_NANOS, Self::Nanos),
        ]
        .into_iter()
        .find_map(|(first_beyond, unit)| (number < first_beyond).then_some(unit))
    }

    fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Millis => 1e3,
            Self::Micros => 1e6,
            Self::Nanos => 1e9,
        }
    }
}

/// The unit and type in which a document writes an instant or a lifetime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    kind: Kind,
    quoted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Number(Unit),
    /// Seconds from when it is written.
    Relative,
    Text(Form),
}

impl Style {
    /// The style of the value that is there; an empty one shows its type at most, the rest follows from its name. The
    /// fields of Claude Code are in milliseconds, whatever stands there.
    pub(crate) fn of(name: &str, raw: &str, shape: Shape) -> Self {
        let text: Option<String> = serde_json::from_str(raw).ok();
        let bare = text.as_deref().unwrap_or(raw).trim();
        let only_millis = shape == Shape::ClaudeCode;
        let shown = match bare.parse::<f64>() {
            Ok(number) if number >= FIRST_INSTANT => {
                Unit::of(number).filter(|unit| !only_millis || *unit != Unit::Seconds).map(Kind::Number)
            }
            Ok(number) if lasts(name, number) => Some(Kind::Relative),
            Ok(_) => None,
            Err(_) => Form::read(bare).map(|(form, _)| Kind::Text(form)),
        };
        let kind = shown.unwrap_or_else(|| Self::usual(name));
        Self { kind, quoted: raw.starts_with('"') || matches!(kind, Kind::Text(_)) }
    }

    fn usual(name: &str) -> Kind {
        match name {
            "expiry_date"
            | "expiresAt"
            | "expires"
            | "expiryDate"
            | "refreshTokenExpiresAt"
            | "accessTokenExpiresAt"
            | "accessTokenExpires"
            | "expires_at_ms"
            | "expiresAtMs"
            | "expiration_time_millis" => Kind::Number(Unit::Millis),
            "expiry" | "expired" | "token_expiry" | "last_refresh" | "ExpiresAt" | "Expiry" => {
                Kind::Text(Form::OURS)
            }
            _ => Kind::Number(Unit::Seconds),
        }
    }

    /// An instant in this style.
    pub(crate) fn instant(self, at: SystemTime, wall_now: SystemTime) -> String {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.write(match self.kind {
            Kind::Number(Unit::Seconds) => since.as_secs().to_string(),
            Kind::Number(Unit::Millis) => since.as_millis().to_string(),
            Kind::Number(Unit::Micros) => since.as_micros().to_string(),
            Kind::Number(Unit::Nanos) => since.as_nanos().to_string(),
            Kind::Relative => at.duration_since(wall_now).unwrap_or_default().as_secs().to_string(),
            Kind::Text(form) => form.write(at),
        })
    }

    /// A lifetime in this style.
    pub(crate) fn span(self, span: Duration) -> String {
        self.write(span.as_secs().to_string())
    }

    fn write(self, value: String) -> String {
        if self.quoted { format!("\"{value}\"") } else { value }
    }
}

/// Ten years: as an instant 1979, before any token; as a lifetime longer than that of any.
pub(crate) const FIRST_INSTANT: f64 = 3.155e8;
/// As seconds this is the year 5138, as milliseconds 1973.
const FIRST_MILLIS: f64 = 1e11;
/// Larger numbers are no time in any unit; the largest that languages have are smaller.
const BEYOND_NANOS: f64 = 1e20;
/// A hundred years: longer lifetimes mean "for ever" and would overflow somebody's clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Later ends mean "never".
const YEAR_2200: f64 = 7_258_118_400.0;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn secs(raw: &str) -> Option<u64> {
        match value("expires_at", raw) {
            Ok(Value::At(at)) => Some(at.duration_since(UNIX_EPOCH).unwrap().as_secs()),
            _ => None,
        }
    }

    #[test]
    fn an_instant_is_read_however_it_is_written() {
        for raw in [
            "1735689600",
            "1735689600.0",
            "1735689600000",
            "1735689600000000",
            "1735689600000000000",
            "\"1735689600\"",
            "\"1735689600000\"",
            "\"2025-01-01T00:00:00Z\"",
            "\"2025-01-01T01:00:00.000000+01:00\"",
            "\"2025-01-01T00:00:00.123456\"",
            "\"2025-01-01 00:00:00\"",
            "\"Wed, 01 Jan 2025 00:00:00 GMT\"",
        ] {
            assert_eq!(secs(raw), Some(1_735_689_600), "{raw}");
        }
        assert_eq!(value("expires", "3600"), Ok(Value::For(Duration::from_secs(3600))));
        for (name, raw) in
            [("expires_at", "3600"), ("expires_at", "1"), ("expires", "1"), ("expiresAt", "\"1\"")]
        {
            assert!(
                matches!(value(name, raw), Ok(Value::At(at)) if at < UNIX_EPOCH + Duration::from_secs(4000)),
                "{name}"
            );
        }
    }

    #[test]
    fn what_stands_for_never_is_no_end() {
        for raw in [
            "null",
            "false",
            "0",
            "-1",
            "-62135596800",
            "\"0\"",
            "\"\"",
            "\" \"",
            "\"never\"",
            "\"Infinity\"",
            "\"inf\"",
            "\"0001-01-01T00:00:00Z\"",
            "\"0001-01-01T00:00:00\"",
            "\"0001-01-01T08:05:43+08:05\"",
            "\"1970-01-01T00:00:00Z\"",
            "\"1601-01-01T00:00:00Z\"",
            "\"2038-01-19T03:14:07Z\"",
            "\"9999-12-31T23:59:59Z\"",
            "\"9999-12-31T23:59:59.9999999\"",
            "2147483647",
            "2147483647000",
            "4294967295",
            "32503680000",
            "253402300799",
            "253402300799000",
            "8640000000000000",
            "9007199254740991",
            "9223372036854775807",
            "18446744073709551615",
        ] {
            assert_eq!(value("expiry", raw), Ok(Value::Unknown), "{raw}");
        }
        for raw in ["null", "0", "-1", "\"0\"", "\"\"", "\" \"", "\"never\"", "9223372036854775807"] {
            assert_eq!(span("expires_in", raw), Ok(None), "{raw}");
        }
    }

    #[test]
    fn what_is_no_time_is_unreadable() {
        for raw in ["true", "{}", "[]", "1e300", "\"soon\"", "\"NaN\"", "\"2025-13-01T00:00:00Z\""] {
            assert_eq!(value("expiry", raw), Err(Unreadable), "{raw}");
        }
        for raw in ["true", "{}", "1e300", "\"1h\"", "\"NaN\""] {
            assert_eq!(span("expires_in", raw), Err(Unreadable), "{raw}");
        }
    }

    #[test]
    fn a_new_end_is_written_the_way_the_old_one_was() {
        let end = UNIX_EPOCH + Duration::from_millis(1_735_689_600_500);
        let now = UNIX_EPOCH + Duration::from_millis(1_735_686_000_500);
        for (name, before, after) in [
            ("expires_at", "1700000000", "1735689600"),
            ("expires_at", "1700000000.25", "1735689600"),
            ("expires_at", "1700000000000", "1735689600500"),
            ("expires_at", "1700000000000000", "1735689600500000"),
            ("expires_at", "1700000000000000000", "1735689600500000000"),
            ("expiry_date", "1700000000", "1735689600"),
            ("expiresAt", "1700000000", "1735689600"),
            ("expires_at", "\"1700000000\"", "\"1735689600\""),
            ("expires_at", "\"1700000000000\"", "\"1735689600500\""),
            ("expires_at", "\"2023-11-14T22:13:20+00:00\"", "\"2025-01-01T00:00:00+00:00\""),
            ("expires_at", "\"2023-11-14T22:13:20\\u002B00:00\"", "\"2025-01-01T00:00:00+00:00\""),
            ("expired", "\"2023-11-14T22:13:20+08:00\"", "\"2025-01-01T08:00:00+08:00\""),
            ("expired", "\"2023-11-14T22:13:20.5-0330\"", "\"2024-12-31T20:30:00.5-0330\""),
            ("expiry", "\"2023-11-14T22:13:20.123456\"", "\"2025-01-01T00:00:00.500000\""),
            ("expiry", "\"2023-11-14T22:13:20.123Z\"", "\"2025-01-01T00:00:00.500Z\""),
            ("expiry", "\"2023-11-14 22:13:20\"", "\"2025-01-01 00:00:00\""),
            ("expiry", "\"2023-11-14 22:13:20.25+00:00\"", "\"2025-01-01 00:00:00.50+00:00\""),
            ("expiresAt", "\"2023-11-14T22:13:20UTC\"", "\"2025-01-01T00:00:00UTC\""),
            ("expiry", "\"2023-11-14 22:13:20 UTC\"", "\"2025-01-01 00:00:00 UTC\""),
            (
                "expiry",
                "\"2023-11-14 22:13:20.123456789 +0000 UTC\"",
                "\"2025-01-01 00:00:00.500000000 +0000 UTC\"",
            ),
            ("expiry", "\"20231114T221320Z\"", "\"2025-01-01T00:00:00.5Z\""),
            ("expiry", "\"9999-12-31T23:59:59.9999999Z\"", "\"2025-01-01T00:00:00.5000000Z\""),
            ("expires", "\"Tue, 14 Nov 2023 22:13:20 GMT\"", "\"Wed, 01 Jan 2025 00:00:00 GMT\""),
            ("expires", "3000", "3600"),
            ("expires_at", "null", "1735689600"),
            ("expires_at", "\"\"", "\"1735689600\""),
            ("expires_at", "-1", "1735689600"),
            ("expires_at", "1", "1735689600"),
            ("expires", "1", "1735689600500"),
            ("expiresAt", "null", "1735689600500"),
            ("expiresAt", "0", "1735689600500"),
            ("expires", "0", "1735689600500"),
            ("expiry_date", "null", "1735689600500"),
            ("expires_at_ms", "null", "1735689600500"),
            ("expiryDate", "null", "1735689600500"),
            ("refreshTokenExpiresAt", "null", "1735689600500"),
            ("accessTokenExpiresAt", "null", "1735689600500"),
            ("accessTokenExpires", "null", "1735689600500"),
            ("expiresAtMs", "null", "1735689600500"),
            ("expiration_time_millis", "null", "1735689600500"),
            ("expired", "null", "\"2025-01-01T00:00:00.5Z\""),
            ("token_expiry", "null", "\"2025-01-01T00:00:00.5Z\""),
            ("Expiry", "null", "\"2025-01-01T00:00:00.5Z\""),
            ("ExpiresAt", "null", "\"2025-01-01T00:00:00.5Z\""),
            ("token_expires", "3000", "3600"),
            ("expiry", "null", "\"2025-01-01T00:00:00.5Z\""),
            ("expiry", "\"0001-01-01T00:00:00Z\"", "\"2025-01-01T00:00:00Z\""),
        ] {
            assert_eq!(Style::of(name, before, Shape::Flat).instant(end, now), after, "{name} {before}");
        }
        assert_eq!(
            Style::of("expiresAt", "1700000000", Shape::ClaudeCode).instant(end, now),
            "1735689600500"
        );
    }
}
