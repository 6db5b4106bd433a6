//! The cases that every change feed passes.

use std::sync::Arc;

use solekey_core::{
    Account, AccountKey, Generation,
    ports::{ChangeFeed, Heard, Listen},
};
use tokio::time::timeout;

use crate::{
    Report, Subject,
    case::{self, Case, cases},
    change_feed,
    wait::LIMIT,
};

/// The ends of two replicas.
#[expect(missing_debug_implementations, reason = "ports are not printed")]
pub struct Ends {
    /// One.
    pub one: Arc<dyn ChangeFeed>,
    /// Another.
    pub another: Arc<dyn ChangeFeed>,
}

/// A change feed to run the list over.
pub type ChangeFeedSubject = Subject<Ends>;

/// The list.
pub const CASES: &[Case<ChangeFeedSubject>] = cases! { ChangeFeedSubject =>
    change_feed: [
        are_heard_by_the_others_in_the_order_of_their_publication,
        are_not_heard_by_their_own_publisher,
        are_heard_by_every_listener,
        need_no_listener,
    ],
};

/// Runs the list over `adapter`; `build` makes fresh ends for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> ChangeFeedSubject) -> Report {
    case::run("change_feed", adapter, CASES, build).await
}

async fn are_heard_by_the_others_in_the_order_of_their_publication(subject: ChangeFeedSubject) {
    let mut heard = subject.port.another.listen().await;
    let notifications = [(key("a"), 7), (key("b"), u64::MAX >> 11), (key("a"), 8)];
    for (key, generation) in notifications {
        subject.port.one.notify(key, Generation::new(generation)).await.expect("notifies");
    }
    for (key, generation) in notifications {
        assert_eq!(next(&mut *heard).await, changed(key, generation));
    }
}

async fn are_not_heard_by_their_own_publisher(subject: ChangeFeedSubject) {
    let mut heard = subject.port.one.listen().await;
    subject.port.one.notify(key("a"), Generation::new(1)).await.expect("notifies");
    subject.port.another.notify(key("a"), Generation::new(2)).await.expect("notifies");
    assert_eq!(next(&mut *heard).await, changed(key("a"), 2));
}

async fn are_heard_by_every_listener(subject: ChangeFeedSubject) {
    let mut listeners = [subject.port.another.listen().await, subject.port.another.listen().await];
    subject.port.one.notify(key("a"), Generation::new(1)).await.expect("notifies");
    for listener in &mut listeners {
        assert_eq!(next(&mut **listener).await, changed(key("a"), 1));
    }
}

async fn need_no_listener(subject: ChangeFeedSubject) {
    subject.port.one.notify(key("a"), Generation::new(1)).await.expect("notifies");
    let mut heard = subject.port.another.listen().await;
    subject.port.one.notify(key("a"), Generation::new(2)).await.expect("notifies");
    assert_eq!(next(&mut *heard).await, changed(key("a"), 2));
}

async fn next(listener: &mut dyn Listen) -> Option<Heard> {
    timeout(LIMIT, listener.next()).await.expect("heard in time")
}

#[allow(clippy::unnecessary_wraps)]
fn changed(key: AccountKey, generation: u64) -> Option<Heard> {
    Some(Heard::Changed { key, generation: Generation::new(generation) })
}

fn key(id: &str) -> AccountKey {
    Account::new("acme", id).expect("a name").key()
}
