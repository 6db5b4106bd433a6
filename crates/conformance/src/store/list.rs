//! Listing.

// Within an account only its memoised key is mutable, which its order does not depend on.
#![allow(clippy::mutable_key_type)]

use std::collections::BTreeSet;

use solekey_core::{Account, MAX_NAME_BYTES};

use super::{
    StoreSubject,
    bench::{account, id, token},
};

pub(super) async fn shows_every_account_once_over_pages(subject: StoreSubject) {
    let mut accounts: BTreeSet<_> = (0..240).map(|n| account(&format!("user-{n}"))).collect();
    accounts.extend(hostile());
    for (account, n) in accounts.iter().zip(0..) {
        subject.log_in(account, token(n)).await;
    }
    assert_eq!(pages(&subject, None, 37).await, accounts);
    assert_eq!(pages(&subject, None, 1000).await, accounts);
    let page = subject.store().list(None, None, 5).await.expect("lists");
    assert!((1..=5).contains(&page.rows.len()) && page.next.is_some());
    for (account, row) in page.rows {
        assert_eq!(row, subject.row(&account).await);
    }
}

pub(super) async fn is_bounded_to_a_provider(subject: StoreSubject) {
    let names = ["acme", "acm", "acme2", "Acme", "acme ", "a%", "a_me"];
    let accounts = names.map(|provider| Account::new(provider, "x").expect("a valid name"));
    for (account, n) in accounts.iter().zip(0..) {
        subject.log_in(account, token(n)).await;
    }
    for account in accounts {
        let listed = pages(&subject, Some(account.provider()), 2).await;
        assert_eq!(listed, BTreeSet::from([account]));
    }
    assert_eq!(pages(&subject, Some("nobody"), 2).await, BTreeSet::new());
}

pub(super) async fn leaves_tombstones_out(subject: StoreSubject) {
    let [a, b, c] = ["a", "b", "c"].map(account);
    for (account, n) in [&a, &b, &c].into_iter().zip(0..) {
        subject.log_in(account, token(n)).await;
    }
    subject.store().delete(&b, id()).await.expect("deletes");
    assert_eq!(pages(&subject, None, 1).await, BTreeSet::from([a.clone(), c.clone()]));
    subject.log_in(&b, token(9)).await;
    assert_eq!(pages(&subject, None, 1).await, BTreeSet::from([a, b, c]));
}

pub(super) async fn survives_changes_between_pages(subject: StoreSubject) {
    let stay: BTreeSet<_> = (0..60).map(|n| account(&format!("stay-{n}"))).collect();
    let leave: Vec<_> = (0..10).map(|n| account(&format!("leave-{n}"))).collect();
    for (account, n) in stay.iter().chain(&leave).zip(0..) {
        subject.log_in(account, token(n)).await;
    }
    let first = subject.store().list(None, None, 20).await.expect("lists");
    for account in &leave {
        subject.store().delete(account, id()).await.expect("deletes");
    }
    for n in 0..10 {
        subject.log_in(&account(&format!("new-{n}")), token(1000 + n)).await;
    }
    let mut listed: Vec<_> = first.rows.into_iter().map(|(account, _)| account).collect();
    listed.extend(from(&subject, None, first.next, 20).await);
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len(), "no account twice");
    assert!(once.is_superset(&stay), "no account lost that was there all along");
}

/// All pages, each account once.
async fn pages(subject: &StoreSubject, provider: Option<&str>, limit: usize) -> BTreeSet<Account> {
    let first = subject.store().list(provider, None, limit).await.expect("lists");
    assert!(first.rows.len() <= limit);
    let mut listed: Vec<_> = first.rows.into_iter().map(|(account, _)| account).collect();
    listed.extend(from(subject, provider, first.next, limit).await);
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len(), "no account twice");
    once
}

async fn from(
    subject: &StoreSubject,
    provider: Option<&str>,
    mut next: Option<String>,
    limit: usize,
) -> Vec<Account> {
    let mut listed = Vec::new();
    for _ in 0..1000 {
        let Some(cursor) = next else { return listed };
        let page = subject.store().list(provider, Some(&cursor), limit).await.expect("lists");
        assert!(page.rows.len() <= limit);
        listed.extend(page.rows.into_iter().map(|(account, _)| account));
        next = page.next;
    }
    panic!("the list has no end");
}

fn hostile() -> Vec<Account> {
    let long = "x".repeat(MAX_NAME_BYTES);
    let names = [
        ("acme", "'; DROP TABLE account; --"),
        ("acme", "\"],[\"acme\",\"x"),
        ("acme", "a:b"),
        ("acme:a", "b"),
        ("acme", "{acme}"),
        ("acme", "*"),
        ("acme", "%"),
        ("acme", "\\"),
        ("acme", "../../etc/passwd"),
        ("acme", " "),
        ("acme", "\u{1f511}\u{202e}"),
        ("acme", "\u{ffff}"),
        ("~", "~"),
        (" ", "0"),
        ("acme", &long),
        (&long, &long),
    ];
    names.iter().map(|(provider, id)| Account::new(provider, id).expect("a valid name")).collect()
}
