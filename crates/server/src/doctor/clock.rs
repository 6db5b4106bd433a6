//! Compares a server's clock with ours. The protocol compares no two wall clocks; the ends of JWTs are read by ours.

use std::time::{Duration, Instant, SystemTime};

use super::finding::Finding;

/// Requests a time since 1970 and assesses it. Nothing if there is no answer.
pub(super) async fn compare(
    check: &'static str,
    ask: impl AsyncFnOnce() -> Option<Duration>,
) -> Option<Finding> {
    let (before, began) = (SystemTime::now(), Instant::now());
    let theirs = ask().await?;
    let trip = began.elapsed();
    let ours = before.duration_since(SystemTime::UNIX_EPOCH).ok()? + trip / 2;
    Some(assess(check, theirs, ours, trip))
}

fn assess(check: &'static str, theirs: Duration, ours: Duration, trip: Duration) -> Finding {
    let offset = theirs.abs_diff(ours);
    let side = if theirs > ours { "ahead of" } else { "behind" };
    let observed = format!("{offset:.1?} {side} this machine's, give or take {:.1?}", trip / 2);
    if offset > OFFSET {
        return Finding::warning(
            check,
            observed,
            "let both machines follow NTP: what is read from JWTs and shown to people would be off",
        );
    }
    Finding::ok(check, observed)
}

/// A clock this far from another one is set wrong rather than slow.
const OFFSET: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_wrong_clock_is_reported_as_ahead_or_behind() {
        let (now, trip) = (Duration::from_secs(1_000_000), Duration::from_millis(2));
        for (theirs, level, side) in [
            (now + OFFSET, Level::Ok, "ahead"),
            (now + OFFSET * 2, Level::Warning, "10.0s ahead"),
            (now.saturating_sub(OFFSET * 2), Level::Warning, "10.0s behind"),
        ] {
            let finding = assess("clock", theirs, now, trip);
            assert!(finding.level == level && finding.said.contains(side), "{finding:?}");
        }
    }
}
