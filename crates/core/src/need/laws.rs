//! Laws of needs: tokens that callers are never handed.

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

fn need() -> impl Strategy<Value = Need> {
    prop_oneof![
        proptest::sample::select(vec![Need::Valid, Need::RefreshedAhead, Need::Resolved]),
        proptest::option::of(generation()).prop_map(|seen| Need::Now { seen }),
        (generation(), access()).prop_map(|(generation, access)| Need::NotThis { generation, access }),
    ]
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
        need in need(), generation in generation(), access in access(), freshness in freshness(),
    ) {
        let met = need.is_met_by(&Candidate { generation, access, freshness });
        prop_assert!(freshness >= Freshness::Ahead || !met, "{need:?}");
        if let Need::Now { seen } = need {
            prop_assert!(!met || seen.is_some_and(|seen| generation > seen), "no newer than what the person saw");
        }
    }

    #[test]
    fn a_token_meets_a_need_if_it_is_accepted_and_fresh_and_is_served_stale_to_no_person(
        need in need(), generation in generation(), access in access(),
    ) {
        let accepted = need.accepts(generation, access);
        let fresh = Candidate { generation, access, freshness: Freshness::Fresh };
        prop_assert_eq!(need.is_met_by(&fresh), accepted);
        prop_assert_eq!(need.accepts_stale(generation, access), accepted && !need.is_operator());
    }
}
