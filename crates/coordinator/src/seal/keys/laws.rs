//! Laws of sealing, over bindings that resemble each other.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[derive(Clone, PartialEq, Debug)]
struct Location {
    kind: &'static str,
    provider: String,
    id: String,
    by: [u8; 16],
}

impl Location {
    fn account(&self) -> Account {
        Account::new(&self.provider, &self.id).unwrap()
    }

    fn binding<'a>(&self, account: &'a Account) -> Binding<'a> {
        Binding { kind: self.kind, account, by: self.by }
    }
}

/// Of few names, so that two places are often nearly one.
fn place() -> impl Strategy<Value = Location> {
    let kind = proptest::sample::select(vec!["credential", "token", "answer"]);
    (kind, "[a:]{1,3}", "[a:]{1,3}", 0_u8..2).prop_map(|(kind, provider, id, by)| Location {
        kind,
        provider,
        id,
        by: [by; 16],
    })
}

fn keys(fill: u8) -> SealKeys {
    SealKeys::parse(&format!("k:{}", STANDARD.encode([fill; 32]))).unwrap()
}

proptest! {
    #![proptest_config(crate::laws::config())]

    #[test]
    fn what_is_sealed_opens_in_its_location_and_in_no_other(
        one in place(), other in place(), clear in proptest::collection::vec(any::<u8>(), 0..40), same_key in any::<bool>(),
    ) {
        let sealed = keys(1).seal(&one.binding(&one.account()), &clear);
        let opened = keys(if same_key { 1 } else { 2 }).open(&other.binding(&other.account()), &sealed);
        let belongs = one == other && same_key;
        prop_assert_eq!(opened, if belongs { Ok(clear) } else { Err(CannotOpen) });
    }

    #[test]
    fn what_was_changed_anywhere_does_not_open(place in place(), at in any::<proptest::sample::Index>(), flip in 1_u8..) {
        let (keys, account) = (keys(1), place.account());
        let mut bytes = keys.seal(&place.binding(&account), b"token").as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert_eq!(keys.open(&place.binding(&account), &Sealed::new(bytes)), Err(CannotOpen));
    }
}
