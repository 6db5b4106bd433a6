//! Laws of needs: what callers are never handed.

use proptest::prelude::*;

use super::*;

/// Of few generations and strings, so that they are often the same.
fn generation() -> impl Strategy<Value = Generation> {
    (0_u64..4).prop_map(Generation::new)
}

fn access() -> impl Strategy<Value = Fingerprint> {
    (0_u8..3).prop_map(|number| Fingerprint::new([number; 16]))
}

fn freshness() -> impl Strategy<Value = Freshness> {
    proptest::sample::select(vec![Freshness::Fresh, Freshness::Ahead, Freshness::InSkew, Freshness::Expired])
}

proptest! {
    #![proptest_config(crate::laws::config(1024))]

    #[test]
    fn whoever_reports_a_token_is_handed_a_newer_one_with_another_string_or_nothing(
        rejected in generation(), token in access(), generation in generation(), access in access(), freshness in freshness(),
    ) {
        let need = Need::NotThis { generation: rejected, access: token };
        let another = generation > rejected && access != token;
        let met = need.is_met_by(&Candidate { generation, access, freshness });
        prop_assert_eq!(met, another && freshness >= Freshness::Ahead);
        prop_assert_eq!(need.accepts_stale(generation, access), another);
    }

    #[test]
    fn what_is_no_longer_good_meets_no_need(
        generation in generation(), access in access(), seen in proptest::option::of(generation()), least in generation(),
        freshness in freshness(),
    ) {
        let candidate = Candidate { generation, access, freshness };
        for need in [Need::Valid, Need::RefreshedAhead, Need::Resolved, Need::AtLeast(least), Need::Now { seen }] {
            prop_assert!(freshness >= Freshness::Ahead || !need.is_met_by(&candidate), "{need:?}");
        }
        let met = Need::Now { seen }.is_met_by(&candidate);
        prop_assert!(!met || seen.is_some_and(|seen| generation > seen), "no newer than what the person saw");
        prop_assert!(!Need::AtLeast(least).is_met_by(&candidate) || generation >= least);
    }
}
