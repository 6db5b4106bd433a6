//! Random parts of spans.

use std::time::Duration;

use solekey_core::mutant;

/// A random part of this span, at most the whole of it.
pub(super) fn part_of(span: Duration) -> Duration {
    if mutant("replicas_take_together") {
        return Duration::ZERO;
    }
    span * u32::from(fastrand::u16(0..1000)) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_many_are_spread_over_the_whole_span() {
        let span = Duration::from_secs(15);
        let parts: Vec<_> = (0..300).map(|_| part_of(span)).collect();
        assert!(parts.iter().any(|part| *part < span / 10) && parts.iter().any(|part| *part > span * 9 / 10));
        assert!(parts.iter().all(|part| *part < span));
    }
}
