//! The conversion of failed calls into core's errors.

use std::time::Duration;

use solekey_core::{
    Generation,
    ports::{StoreError, Trouble},
};
use solekey_redis_link::{FromRedisValue, LinkError, Value};

/// A change that may have been made unless the link knows better. Never repeated here: the id it carries makes
/// repeating it safe for whoever asked for it.
pub(crate) fn of_change(error: LinkError) -> Trouble {
    if error.is_not_applied() { Trouble::not_applied(error) } else { Trouble::unknown(error) }
}

/// A read changes nothing, however it fails.
pub(crate) fn of_read(error: LinkError) -> Trouble {
    Trouble::not_applied(error)
}

/// A stored value that this version did not write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the stored {what} cannot be read")]
pub(crate) struct Garbled {
    /// Which part.
    pub(crate) what: &'static str,
}

impl Garbled {
    /// The stored state is as it was.
    pub(crate) fn in_read(self) -> StoreError {
        StoreError::not_applied(self)
    }
}

pub(crate) fn decode<T: FromRedisValue>(value: Value) -> Result<T, LinkError> {
    T::from_redis_value(value).map_err(|_| LinkError::Shape { expected: std::any::type_name::<T>() })
}

/// Numbers that Lua would round are refused before they reach it.
pub(crate) fn countable(number: u64) -> Result<u64, Trouble> {
    if number > MAX_EXACT {
        return Err(Trouble::not_applied("a number beyond what Redis scripts count exactly"));
    }
    Ok(number)
}

/// A generation as a script's argument.
pub(crate) fn generation(generation: Generation) -> Result<u64, Trouble> {
    countable(generation.get())
}

/// A span in microseconds, cut to fifty years, so that an instant plus a span can be counted exactly.
pub(crate) fn micros(span: Duration) -> u64 {
    span.min(LONGEST).as_micros() as u64
}

const LONGEST: Duration = Duration::from_secs(50 * 365 * 24 * 60 * 60);

/// 2^53: beyond it a Lua number skips integers.
const MAX_EXACT: u64 = 1 << 53;
