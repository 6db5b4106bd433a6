//! The `Retry-After` of a provider.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use crate::{MAX_RETRY_AFTER, mutant};

/// Reads `Retry-After`, seconds or HTTP date, clamped to [`MAX_RETRY_AFTER`].
///
/// "At once" counts as absent: the cooldown ladder never retries without a pause.
pub(super) fn retry_after(headers: &HeaderMap, wall_now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let request = seconds(text).or_else(|| until(text, wall_now))?;
    let longest = if mutant("retry_after_is_believed") { Duration::MAX } else { MAX_RETRY_AFTER };
    (!request.is_zero()).then(|| request.min(longest))
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

fn until(text: &str, wall_now: SystemTime) -> Option<Duration> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(wall_now).unwrap_or_default())
}
