//! What all news do.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, AccountKey, Generation,
    ports::{Heard, Listen, News},
};
use tokio::time::timeout;

use super::{Case, Report, Subject, cases, news};

/// The ends of two replicas.
#[expect(missing_debug_implementations, reason = "ports are not printed")]
pub struct Ends {
    /// One.
    pub one: Arc<dyn News>,
    /// Another.
    pub another: Arc<dyn News>,
}

/// News to run the list over.
pub type NewsSubject = Subject<Ends>;

/// The list.
pub const CASES: &[Case<NewsSubject>] = cases! { NewsSubject =>
    news: [
        are_heard_by_the_others_in_the_order_in_which_they_were_told,
        are_not_heard_by_whoever_tells_them,
        are_heard_by_every_listener,
        need_no_listener,
    ],
};

/// Runs the list over `adapter`; `build` makes fresh ends for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> NewsSubject) -> Report {
    super::run("news", adapter, CASES, build).await
}

async fn are_heard_by_the_others_in_the_order_in_which_they_were_told(subject: NewsSubject) {
    let mut heard = subject.port.another.listen().await;
    let told = [(key("a"), 7), (key("b"), u64::MAX >> 11), (key("a"), 8)];
    for (key, generation) in told {
        subject.port.one.tell(key, Generation::new(generation)).await.expect("told");
    }
    for (key, generation) in told {
        assert_eq!(next(&mut *heard).await, changed(key, generation));
    }
}

async fn are_not_heard_by_whoever_tells_them(subject: NewsSubject) {
    let mut heard = subject.port.one.listen().await;
    subject.port.one.tell(key("a"), Generation::new(1)).await.expect("told");
    subject.port.another.tell(key("a"), Generation::new(2)).await.expect("told");
    assert_eq!(next(&mut *heard).await, changed(key("a"), 2));
}

async fn are_heard_by_every_listener(subject: NewsSubject) {
    let mut listeners = [subject.port.another.listen().await, subject.port.another.listen().await];
    subject.port.one.tell(key("a"), Generation::new(1)).await.expect("told");
    for listener in &mut listeners {
        assert_eq!(next(&mut **listener).await, changed(key("a"), 1));
    }
}

async fn need_no_listener(subject: NewsSubject) {
    subject.port.one.tell(key("a"), Generation::new(1)).await.expect("told");
    let mut heard = subject.port.another.listen().await;
    subject.port.one.tell(key("a"), Generation::new(2)).await.expect("told");
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

/// Far longer than a message takes.
const LIMIT: Duration = Duration::from_secs(20);
