//! The same credential under another seal.

use solekey_core::ports::StoreError;

use super::{
    StoreSubject,
    bench::{account, id, payload, token},
};

pub(super) async fn replaces_the_payload_and_nothing_else(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.rotate(&a, token(2)).await;
    let before = subject.record(&a).await;
    let sealed = payload("\0under another seal");
    for _repeated in 0..2 {
        let done = subject.store().reseal(&a, before.row.made_by, &sealed).await.expect("reseals");
        let after = done.record.expect("a row");
        assert_eq!((&after.row, after.payload.as_bytes()), (&before.row, sealed.as_bytes()));
    }
    let after = subject.record(&a).await;
    assert_eq!((&after.row, after.payload.as_bytes()), (&before.row, sealed.as_bytes()));
    // The next rotation brings its own.
    subject.rotate(&a, token(3)).await;
    assert_ne!(subject.record(&a).await.payload.as_bytes(), sealed.as_bytes());
}

pub(super) async fn of_a_row_that_moved_is_refused(subject: StoreSubject) {
    let (a, sealed) = (account("a"), payload("of the one before"));
    let logged_in = subject.log_in(&a, token(1)).await;
    let rotated = subject.rotate(&a, token(2)).await;
    for made_by in [logged_in.made_by, id()] {
        let before = subject.load(&a).await;
        let refused = subject.store().reseal(&a, made_by, &sealed).await;
        subject.moved(&a, &before, refused).await;
    }
    subject.store().delete(&a, id()).await.expect("deletes");
    let tombstone = subject.row(&a).await;
    for made_by in [rotated.made_by, tombstone.made_by] {
        let before = subject.load(&a).await;
        let refused = subject.store().reseal(&a, made_by, &sealed).await;
        subject.moved(&a, &before, refused).await;
    }
    let nobody = account("nobody");
    let refused = subject.store().reseal(&nobody, rotated.made_by, &sealed).await;
    assert!(matches!(refused, Err(StoreError::Moved(_))), "{refused:?}");
    assert_eq!(subject.load(&nobody).await.record, None);
}

pub(super) async fn during_an_open_attempt_leaves_it_open(subject: StoreSubject) {
    let (a, sealed) = (account("a"), payload("under another seal"));
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    subject.store().reseal(&a, claimed.made_by, &sealed).await.expect("reseals");
    let after = subject.record(&a).await;
    assert_eq!((&after.row, after.payload.as_bytes()), (&claimed, sealed.as_bytes()));
}
