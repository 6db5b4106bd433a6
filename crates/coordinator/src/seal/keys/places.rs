//! Where a sealed value belongs, and that no two are the same.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;

fn keys() -> SealKeys {
    SealKeys::parse(&format!("k:{}", STANDARD.encode([1; 32]))).unwrap()
}

/// Equal bytes would show who has the same token as whom, or as before.
#[test]
fn sealing_the_same_value_in_the_same_place_again_shows_nothing_of_the_first_time() {
    let (keys, account) = (keys(), Account::new("acme", "alice").unwrap());
    let binding = Binding { kind: "credential", account: &account, by: [7; 16] };
    let sealed: Vec<_> = (0..200).map(|_| keys.seal(&binding, b"a token that stays the same")).collect();
    let header = 2 + "k".len();
    for part in [0..NONCE, NONCE..NONCE + 16] {
        let parts: BTreeSet<_> =
            sealed.iter().map(|sealed| sealed.as_bytes()[header..][part.clone()].to_vec()).collect();
        assert_eq!(parts.len(), sealed.len(), "{part:?}");
    }
}

#[test]
fn a_value_opens_only_as_the_kind_of_the_account_and_by_the_change_that_it_was_sealed_for() {
    let keys = keys();
    let accounts =
        [("acme", "alice"), ("acme", "bob"), ("other", "alice"), ("acmea", "lice"), ("acm", "ealice")];
    let accounts = accounts.map(|(provider, id)| Account::new(provider, id).unwrap());
    let mut places = Vec::new();
    for account in &accounts {
        for kind in ["credential", "token"] {
            places.extend([[0; 16], [1; 16]].map(|by| Binding { kind, account, by }));
        }
    }
    for (at, place) in places.iter().enumerate() {
        let sealed = keys.seal(place, b"token");
        let opens: Vec<_> = places.iter().map(|other| keys.open(other, &sealed).is_ok()).collect();
        assert_eq!(opens, (0..places.len()).map(|other| other == at).collect::<Vec<_>>(), "{place:?}");
    }
}

#[cfg(feature = "redis")]
#[test]
fn a_name_opens_for_its_own_account_and_is_never_sealed_twice_alike() {
    use solekey_store_redis::SealNames as _;

    let names = SealedNames(std::sync::Arc::new(keys()));
    let [alice, bob] = ["alice", "bob"].map(|id| Account::new("acme", id).unwrap());
    let sealed: BTreeSet<_> = (0..50).map(|_| names.seal(alice.key(), b"acme\nalice")).collect();
    assert_eq!(sealed.len(), 50);
    for sealed in &sealed {
        assert!(!sealed.windows(5).any(|part| part == b"alice"));
        assert_eq!(names.open(alice.key(), sealed).as_deref(), Some(&b"acme\nalice"[..]));
        assert_eq!(names.open(bob.key(), sealed), None);
    }
    // A credential is no name, and a name none.
    let binding = Binding { kind: "credential", account: &alice, by: [0; 16] };
    let credential = names.0.seal(&binding, b"acme\nalice");
    assert_eq!(names.open(alice.key(), credential.as_bytes()), None);
    let name = Sealed::new(names.seal(alice.key(), b"token"));
    assert!(names.0.open(&binding, &name).is_err());
}
