//! Retry intervals: jittered, doubling, bounded.

use std::time::Duration;

/// Returns `floor` doubled `tries` times, at most `cap`; jitter makes it three quarters to the whole of that.
pub(crate) fn backoff(tries: u8, floor: Duration, cap: Duration, jitter: u16) -> Duration {
    let whole = floor.saturating_mul(1 << tries.min(20)).min(cap);
    whole * (750 + u32::from(jitter) / 4) / 1000
}

/// The cooldown after this many failures in a row: 1 s doubling to 5 min, jittered.
pub(crate) fn cooldown(strikes: u8, jitter: u16) -> Duration {
    backoff(strikes, MIN_COOLDOWN, MAX_COOLDOWN, jitter).max(MIN_COOLDOWN)
}

/// A count of tries at which every ladder has long reached its cap.
pub(crate) const MAX_STEPS: u8 = 9;

/// The shortest cooldown.
pub(crate) const MIN_COOLDOWN: Duration = Duration::from_secs(1);
const MAX_COOLDOWN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_takes_up_to_a_quarter_off_at_every_step() {
        let (floor, cap) = (Duration::from_millis(100), Duration::from_secs(3));
        for (tries, whole) in [(0, 100), (1, 200), (2, 400), (4, 1_600), (5, 3_000), (255, 3_000)] {
            let at = |jitter| backoff(tries, floor, cap, jitter).as_millis();
            assert_eq!(
                (at(0), at(500), at(999)),
                (whole * 750 / 1000, whole * 875 / 1000, whole * 999 / 1000)
            );
        }
    }

    #[test]
    fn cooldowns_double_from_a_second_to_five_minutes_and_differ() {
        for (strikes, seconds) in [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (MAX_STEPS, 300), (255, 300)]
        {
            let (least, most) = (cooldown(strikes, 0), cooldown(strikes, 999));
            assert_eq!(least, Duration::from_secs(seconds) * 3 / 4, "{strikes}");
            assert!(most > least && most <= Duration::from_secs(seconds), "{strikes}: {most:?}");
        }
        assert_eq!(cooldown(0, 0), MIN_COOLDOWN);
    }
}
