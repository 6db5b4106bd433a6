//! Reading, and what is written once.

use solekey_core::{Account, Sealed};

use super::{
    StoreSubject,
    bench::{account, login, token},
};

pub(super) async fn an_unknown_account_loads_as_nothing(subject: StoreSubject) {
    assert_eq!(subject.load(&account("nobody")).await.record, None);
}

pub(super) async fn a_payload_comes_back_byte_by_byte(subject: StoreSubject) {
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(64 * 1024).collect();
    for (n, bytes) in [every_byte, Vec::new(), b"\0".to_vec(), b"'; --".to_vec()].into_iter().enumerate() {
        let (account, payload) = (account(&format!("a{n}")), Sealed::new(bytes));
        subject.store().login(&account, &login(token(n as u64)), &payload).await.expect("logs in");
        assert_eq!(subject.record(&account).await.payload.as_bytes(), payload.as_bytes());
    }
}

pub(super) async fn the_identity_is_stable_and_its_time_grows(subject: StoreSubject) {
    let first = subject.store().identity().await.expect("has an identity");
    let row = subject.log_in(&account("a"), token(1)).await;
    let second = subject.store().identity().await.expect("has an identity");
    assert_eq!(first.id, second.id);
    assert!(!first.id.is_nil());
    assert!(first.now <= second.now, "the store's time does not step back");
    assert!(row.facts.expect("logged in").made_at <= second.now, "one clock for all");
}

pub(super) async fn the_first_writer_of_a_pin_wins(subject: StoreSubject) {
    let store = subject.store();
    let pin = async |name, value: &'static [u8]| store.pin(name, value).await.expect("pins");
    assert_eq!(pin("seal", b"\0first\xff").await, b"\0first\xff");
    assert_eq!(pin("seal", b"second").await, b"\0first\xff");
    assert_eq!(pin("identity", b"of another name").await, b"of another name");
    assert_eq!(pin("seal", b"third").await, b"\0first\xff");
}

pub(super) async fn a_pin_moves_for_whoever_has_seen_it(subject: StoreSubject) {
    let store = subject.store();
    let repin = async |seen: &'static [u8], value: &'static [u8]| {
        store.repin("seal", seen, value).await.expect("is asked")
    };
    assert_eq!(repin(b"", b"first").await, b"", "what was never pinned is not moved");
    assert_eq!(store.pin("seal", b"first\0").await.expect("pins"), b"first\0");
    assert_eq!(repin(b"first", b"second").await, b"first\0");
    assert_eq!(repin(b"first\0", b"second").await, b"second");
    assert_eq!(repin(b"first\0", b"third").await, b"second");
    assert_eq!(store.pin("seal", b"fourth").await.expect("is asked"), b"second");
}

pub(super) async fn names_are_compared_byte_by_byte(subject: StoreSubject) {
    let spellings =
        [("p", "x"), ("p", "X"), ("p", "x "), ("P", "x"), ("p", "\u{e9}"), ("p", "e\u{301}"), ("p", "%78")];
    let accounts = spellings.map(|(provider, id)| Account::new(provider, id).expect("a valid name"));
    for (account, n) in accounts.iter().zip(0..) {
        subject.log_in(account, token(n)).await;
    }
    for (account, n) in accounts.iter().zip(0..) {
        let facts = subject.row(account).await.facts.expect("logged in");
        assert_eq!(facts.refresh, Some(token(n)), "{account:?}");
    }
}
