//! The cases that every lease passes.

use std::{collections::BTreeSet, time::Duration};

use solekey_core::{
    Account, ClaimId, Fence,
    ports::{Lease, LeaseReply, Trouble},
};
use uuid::Uuid;

use crate::{
    Report, Subject,
    case::{self, Case, cases},
    lease,
    wait::until,
};

/// A lease to run the list over.
pub type LeaseSubject = Subject<dyn Lease>;

/// The list.
pub const CASES: &[Case<LeaseSubject>] = cases! { LeaseSubject =>
    lease: [
        is_granted_and_busy_for_others,
        is_per_account,
        is_free_after_its_release,
        ignores_the_release_by_another_token,
        is_idempotent_by_token,
        is_not_taken_by_a_request_that_its_own_release_overtook,
        grows_its_fence_with_every_grant,
        keeps_its_fence_above_the_floor,
        expires_by_itself,
        of_an_expired_holder_stays_with_the_next,
        raced_for_has_one_winner,
    ],
};

/// Runs the list over `adapter`; `build` makes a fresh, empty one for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> LeaseSubject) -> Report {
    case::run("lease", adapter, CASES, build).await
}

const LONG: Duration = Duration::from_secs(10 * 60);
const SHORT: Duration = Duration::from_millis(60);

async fn is_granted_and_busy_for_others(subject: LeaseSubject) {
    let a = account("a");
    subject.granted(&a, token()).await;
    let LeaseReply::Busy { remaining } = subject.acquire(&a, token(), LONG).await else {
        panic!("held twice")
    };
    assert!(remaining <= LONG && remaining > LONG / 2, "{remaining:?}");
}

async fn is_per_account(subject: LeaseSubject) {
    let held = token();
    for account in [account("a"), account("b"), Account::new("other", "a").expect("a valid name")] {
        subject.granted(&account, held).await;
    }
}

async fn is_free_after_its_release(subject: LeaseSubject) {
    let (a, first) = (account("a"), token());
    subject.granted(&a, first).await;
    subject.release(&a, first).await;
    subject.granted(&a, token()).await;
    subject.release(&a, first).await;
    assert!(
        matches!(subject.acquire(&a, token(), LONG).await, LeaseReply::Busy { .. }),
        "a late release is void"
    );
}

async fn ignores_the_release_by_another_token(subject: LeaseSubject) {
    let (a, holder) = (account("a"), token());
    subject.release(&a, token()).await;
    subject.granted(&a, holder).await;
    subject.release(&a, token()).await;
    subject.release(&account("b"), holder).await;
    assert!(matches!(subject.acquire(&a, token(), LONG).await, LeaseReply::Busy { .. }));
}

async fn is_idempotent_by_token(subject: LeaseSubject) {
    let (a, holder) = (account("a"), token());
    let first = subject.granted(&a, holder).await;
    assert_eq!(subject.granted(&a, holder).await, first, "one grant, one fence");
    subject.release(&a, holder).await;
    subject.granted(&a, token()).await;
}

async fn is_not_taken_by_a_request_that_its_own_release_overtook(subject: LeaseSubject) {
    let (a, holder) = (account("a"), token());
    subject.granted(&a, holder).await;
    subject.release(&a, holder).await;
    let overtaken = subject.port.acquire(&a, holder, LONG, None).await;
    assert!(matches!(overtaken, Err(Trouble::NotApplied(_))), "{overtaken:?}");
    subject.granted(&a, token()).await;
}

async fn grows_its_fence_with_every_grant(subject: LeaseSubject) {
    let a = account("a");
    let mut last = Fence::new(0);
    for _ in 0..20 {
        let holder = token();
        let fence = subject.granted(&a, holder).await;
        assert!(fence > last, "{fence:?} after {last:?}");
        subject.release(&a, holder).await;
        last = fence;
    }
}

async fn keeps_its_fence_above_the_floor(subject: LeaseSubject) {
    let (a, earlier, holder) = (account("a"), token(), token());
    let first = subject.granted(&a, earlier).await;
    subject.release(&a, earlier).await;
    let floor = Fence::new(first.get() + 1_000_000_000_000);
    let reply = subject.port.acquire(&a, holder, LONG, Some(floor)).await.expect("acquires");
    let LeaseReply::Granted { fence } = reply else { panic!("{reply:?}") };
    assert!(fence > floor);
    subject.release(&a, holder).await;
    assert!(subject.granted(&a, token()).await > fence, "later grants stay above it");
}

async fn expires_by_itself(subject: LeaseSubject) {
    let a = account("a");
    let reply = subject.acquire(&a, token(), SHORT).await;
    let LeaseReply::Granted { fence } = reply else { panic!("{reply:?}") };
    assert!(subject.granted_at_last(&a, token()).await > fence);
}

async fn of_an_expired_holder_stays_with_the_next(subject: LeaseSubject) {
    let (a, late) = (account("a"), token());
    subject.acquire(&a, late, SHORT).await;
    subject.granted_at_last(&a, token()).await;
    subject.release(&a, late).await;
    assert!(matches!(subject.acquire(&a, token(), LONG).await, LeaseReply::Busy { .. }));
}

async fn raced_for_has_one_winner(subject: LeaseSubject) {
    let a = account("a");
    let mut fences = BTreeSet::new();
    for _ in 0..10 {
        let race = |holder| {
            let (lease, account) = (subject.port.clone(), a.clone());
            tokio::spawn(async move { (holder, lease.acquire(&account, holder, LONG, None).await) })
        };
        let racers: Vec<_> = (0..8).map(|_| race(token())).collect();
        let mut won = Vec::new();
        for racer in racers {
            let (holder, reply) = racer.await.expect("no racer panics");
            if let LeaseReply::Granted { fence } = reply.expect("acquires") {
                won.push((holder, fence));
            }
        }
        let [(holder, fence)] = won[..] else { panic!("winners: {won:?}") };
        assert!(fences.insert(fence), "a fence twice");
        subject.release(&a, holder).await;
    }
}

impl LeaseSubject {
    async fn acquire(&self, account: &Account, token: ClaimId, ttl: Duration) -> LeaseReply {
        self.port.acquire(account, token, ttl, None).await.expect("acquires")
    }

    async fn granted(&self, account: &Account, token: ClaimId) -> Fence {
        match self.acquire(account, token, LONG).await {
            LeaseReply::Granted { fence } => fence,
            LeaseReply::Busy { remaining } => panic!("busy for {remaining:?}"),
        }
    }

    async fn granted_at_last(&self, account: &Account, token: ClaimId) -> Fence {
        let read = async || match self.acquire(account, token, LONG).await {
            LeaseReply::Granted { fence } => Some(fence),
            LeaseReply::Busy { .. } => None,
        };
        until("the lease to expire", read).await
    }

    async fn release(&self, account: &Account, token: ClaimId) {
        self.port.release(account, token).await.expect("releases");
    }
}

fn account(id: &str) -> Account {
    Account::new("acme", id).expect("a valid name")
}

fn token() -> ClaimId {
    ClaimId::new(Uuid::new_v4())
}
