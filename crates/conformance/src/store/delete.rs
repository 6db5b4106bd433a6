//! Deleting.

use super::{
    StoreSubject,
    bench::{account, commit_of, id, token},
};

pub(super) async fn leaves_a_tombstone(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let delete = id();
    let row = subject.accepted(&a, subject.store().delete(&a, delete).await).await;
    assert!(row.is_gone() && row.generation > claimed.minted && row.minted == row.generation);
    assert_eq!((row.made_by, row.open, row.verdict, row.due_at), (delete, None, None, None));
    assert_eq!(row.presented, [token(1)]);
    assert!(subject.record(&a).await.payload.is_empty(), "the credential is gone");
}

pub(super) async fn repeated_changes_nothing(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let delete = id();
    let first = subject.accepted(&a, subject.store().delete(&a, delete).await).await;
    let again = subject.accepted(&a, subject.store().delete(&a, delete).await).await;
    let another = subject.accepted(&a, subject.store().delete(&a, id()).await).await;
    assert_eq!([again, another], [first.clone(), first]);
}

pub(super) async fn of_nothing_leaves_nothing(subject: StoreSubject) {
    let nobody = account("nobody");
    let answered = subject.store().delete(&nobody, id()).await.expect("nothing to delete is no error");
    assert_eq!(answered.record, None);
    assert_eq!(subject.load(&nobody).await.record, None);
}

pub(super) async fn makes_the_late_answer_history(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    subject.store().delete(&a, id()).await.expect("deletes");
    let before = subject.load(&a).await;
    subject.moved(&a, &before, subject.try_commit(&a, &commit_of(&claimed, token(2))).await).await;
}
