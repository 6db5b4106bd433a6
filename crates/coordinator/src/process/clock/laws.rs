//! Laws of the clock, over wall clocks that are set and leap.

use proptest::prelude::*;

use super::*;

/// A leap of the wall clock, in milliseconds, often as small as what NTP does.
fn leap() -> impl Strategy<Value = i64> {
    prop_oneof![-500_i64..500, -100_000_i64..100_000, -10_000_000_i64..1_000_000_000]
}

proptest! {
    #![proptest_config(crate::laws::config())]

    #[test]
    fn it_follows_whichever_clock_went_furthest_and_never_goes_back(leaps in proptest::collection::vec(leap(), 0..10)) {
        let mut clock = ProcessClock::new();
        let start = clock.now();
        let (mut ahead, mut furthest, mut last) = (0, 0, start);
        for leap in leaps {
            ahead += leap;
            furthest = furthest.max(ahead);
            // Where the wall clock stands is known by how far it is from where it started.
            let span = Duration::from_millis(leap.unsigned_abs());
            clock.wall_origin = if leap < 0 { clock.wall_origin + span } else { clock.wall_origin - span };
            clock.observe_wall();
            let now = clock.now();
            prop_assert!(now >= last, "it went back");
            last = now;
            let passed = now.since(start) + TOLERANCE;
            prop_assert!(passed >= Duration::from_millis(furthest.unsigned_abs()), "{furthest} ms ahead: {passed:?}");
        }
    }
}
