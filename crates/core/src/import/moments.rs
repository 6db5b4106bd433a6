//! The moments that documents name, from which their lifetimes count.

use std::time::{Duration, SystemTime};

use super::{
    instant::{FIRST_INSTANT, Style, Value, value},
    names::{MOMENTS, is_of_record},
};
use crate::{Document, Shape};

/// The latest moment that an object names; those of the future are of another clock, and count for nothing.
pub(crate) fn latest(object: &Document, wall_now: SystemTime) -> Option<SystemTime> {
    let named = |name: &&str| instant(name, object.raw(name)?).filter(|at| *at <= wall_now + CLOCKS_DIFFER);
    MOMENTS.iter().filter_map(named).max().map(|at| at.min(wall_now))
}

/// The instant in a value, unless it is one at which there was no token yet.
pub(crate) fn instant(name: &str, raw: &str) -> Option<SystemTime> {
    let first = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(FIRST_INSTANT);
    match value(name, raw) {
        Ok(Value::At(at)) if at >= first => Some(at),
        _ => None,
    }
}

/// Writes a moment over those that are there, each in its own style.
pub(crate) fn rewrite(object: &mut Document, at: SystemTime) {
    rewrite_where(object, at, |_| true);
}

/// The same around the tokens, where a record may have a moment of its own: that stays if there is another one.
pub(crate) fn rewrite_around(object: &mut Document, at: SystemTime) {
    let is_there = |name: &&&str| object.raw(name).is_some_and(|raw| instant(name, raw).is_some());
    let has_other = MOMENTS.iter().filter(is_there).any(|name| !is_of_record(name));
    rewrite_where(object, at, |name| !has_other || !is_of_record(name));
}

fn rewrite_where(object: &mut Document, at: SystemTime, takes: impl Fn(&str) -> bool) {
    for name in MOMENTS.iter().filter(|name| takes(name)) {
        let Some(raw) = object.raw(name).filter(|raw| instant(name, raw).is_some()) else { continue };
        let json = Style::of(name, raw, Shape::Flat).instant(at, at);
        object.set(name, &json);
    }
}

/// Two machines' clocks agree to this.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);
