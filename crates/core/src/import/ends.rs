//! The fields of a document that state the end of a token.

use std::time::{Duration, SystemTime};

use super::{
    instant::{self, Style, Value, is_relative, value},
    moments,
    names::{ENDS, LASTS, is_in_millis},
};
use crate::{Document, InputError, Shape, mutant};

/// The moment from which a document's lifetimes count, and whether it is anything better than a guess.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    pub(crate) at: SystemTime,
    pub(crate) is_known: bool,
}

/// The end that a document states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stated {
    /// The time left; `None` when nothing states it.
    pub(crate) left: Option<Duration>,
    /// A lifetime that counts from no moment that the document or its file names.
    pub(crate) is_guessed: bool,
}

/// The time left that a document states. Every field that has a value is checked; of several ends the first to come
/// counts, and of lifetimes the first that stands, where there is no end.
pub(crate) fn stated(
    tokens: &Document,
    ends_at: &[&str],
    lasts: &[&str],
    since: Since,
    wall_now: SystemTime,
) -> Result<Stated, InputError> {
    let (mut end, mut span) = (None::<SystemTime>, None);
    for name in ends_at {
        let Some(raw) = tokens.raw(name) else { continue };
        match value(name, raw).map_err(|_| InputError::new(*name, AN_INSTANT))? {
            Value::Unknown => {}
            Value::At(at) => end = Some(end.map_or(at, |end| end.min(at))),
            Value::For(lasting) => span = span.or(Some(lasting)),
        }
    }
    for name in lasts {
        let read = tokens.raw(name).map(|raw| instant::span(name, raw)).transpose();
        span = span.or(read.map_err(|_| InputError::new(*name, A_SPAN))?.flatten());
    }
    if let Some(end) = end {
        return Ok(Stated { left: Some(left(end, wall_now)), is_guessed: false });
    }
    let Some(span) = span else { return Ok(Stated::default()) };
    let since = if mutant("lifetime_of_a_file_counts_from_its_import") {
        Since { at: wall_now, ..since }
    } else {
        since
    };
    // Past all clocks means for ever.
    let left = since.at.checked_add(span).map_or(span, |end| left(end, wall_now));
    Ok(Stated { left: Some(left), is_guessed: !since.is_known })
}

/// The lifetime that an answer states; what cannot be read counts as not stated.
pub(crate) fn answered(document: &Document, lasts: &[&str]) -> Option<Duration> {
    lasts.iter().find_map(|name| instant::span(name, document.raw(name)?).ok()?)
}

/// Writes the end of a new access token: over every one that is there, each in the unit and type it had, else as one
/// more field where the shape has one for it. An unknown end becomes `null`: the old one is that of another token. Where
/// a lifetime stands, the moments next to it become now: it counts from them.
pub(crate) fn restate(document: &mut Document, shape: Shape, end: Option<SystemTime>, wall_now: SystemTime) {
    let span = end.map(|end| left(end, wall_now));
    let has_span = has_lifetime(document);
    let had_end = restate_end(document, ENDS, shape, end, wall_now);
    let had_span = rewrite_spans(document, shape, span);
    if has_span && !mutant("lifetime_is_written_without_its_moment") {
        moments::rewrite(document, wall_now);
    }
    if let Some((name, usual)) = shape.names().adds
        && !had_end
        && !had_span
        && end.is_some()
    {
        document.set(name, usual);
        restate_end(document, &[name], shape, end, wall_now);
    }
}

/// Returns whether an object states the instant at which the access token ends.
pub(crate) fn has_instant(tokens: &Document) -> bool {
    let is_instant =
        |name: &&str| tokens.raw(name).is_some_and(|raw| matches!(value(name, raw), Ok(Value::At(_))));
    ENDS.iter().any(is_instant)
}

/// Returns whether an object states the access token's lifetime, which counts from some moment.
pub(crate) fn has_lifetime(tokens: &Document) -> bool {
    LASTS.iter().any(|name| tokens.raw(name).is_some())
        || ENDS.iter().any(|name| tokens.raw(name).is_some_and(|raw| is_relative(name, raw)))
}

/// Writes an end over those of `ends_at` that are there. Returns true if there was one.
pub(crate) fn restate_end(
    document: &mut Document,
    ends_at: &[&str],
    shape: Shape,
    end: Option<SystemTime>,
    wall_now: SystemTime,
) -> bool {
    rewrite(document, ends_at, shape, |style| end.map(|end| style.instant(end, wall_now)))
}

/// The end of the refresh token, where the object that holds the tokens states it.
pub(crate) fn refresh_end(tokens: &Document, ends_at: &[&str], wall_now: SystemTime) -> Option<SystemTime> {
    let since = Since { at: wall_now, is_known: true };
    let left = stated(tokens, ends_at, &[], since, wall_now).ok()?.left?;
    wall_now.checked_add(left)
}

fn left(end: SystemTime, wall_now: SystemTime) -> Duration {
    end.duration_since(wall_now).unwrap_or_default()
}

fn rewrite_spans(document: &mut Document, shape: Shape, span: Option<Duration>) -> bool {
    let (millis, seconds): (Vec<&str>, Vec<&str>) = LASTS.iter().partition(|name| is_in_millis(name));
    let in_seconds = rewrite(document, &seconds, shape, |style| span.map(|span| style.span(span)));
    rewrite(document, &millis, shape, |style| span.map(|span| style.span(span * 1000))) || in_seconds
}

fn rewrite(
    document: &mut Document,
    names: &[&str],
    shape: Shape,
    value: impl Fn(Style) -> Option<String>,
) -> bool {
    let mut found = false;
    for name in names {
        let Some(raw) = document.raw(name).filter(|raw| *raw != "false") else { continue };
        if raw == "true" {
            // It says that the old token had ended.
            document.set(name, "false");
            continue;
        }
        let json = value(Style::of(name, raw, shape)).unwrap_or_else(|| "null".to_owned());
        document.set(name, &json);
        found = true;
    }
    found
}

const AN_INSTANT: &str = "seconds or milliseconds since 1970, or an RFC 3339 time";
const A_SPAN: &str = "a number of seconds";
