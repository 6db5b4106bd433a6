//! Many at once.

use std::{collections::BTreeSet, sync::Arc};

use solekey_core::{
    Account, Claim, Generation, MAX_PRESENTED, Sealed,
    ports::{Store, StoreError},
};
use tokio::sync::Barrier;

use super::{
    StoreSubject,
    bench::{account, claim_on, commit_of, id, login, payload, token},
};

const WORKERS: usize = 5;
const ROTATIONS: usize = 8;

pub(super) async fn of_workers_count_every_rotation_once(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(u64::MAX - 1)).await;
    let workers = together(WORKERS, |worker| {
        let (store, account) = (Arc::clone(subject.store()), a.clone());
        async move {
            let mut made = Vec::new();
            while made.len() < ROTATIONS {
                let to = token((worker * ROTATIONS + made.len()) as u64);
                made.extend(try_rotate(&*store, &account, to).await);
            }
            made
        }
    });
    let made: Vec<Generation> = workers.await.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = made.iter().collect();
    let row = subject.row(&a).await;
    assert_eq!((made.len(), distinct.len()), (WORKERS * ROTATIONS, WORKERS * ROTATIONS));
    assert_eq!(row.rotations, (WORKERS * ROTATIONS) as u64);
    assert_eq!(made.iter().max(), Some(&row.generation));
}

pub(super) async fn of_claims_have_one_winner(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    claim_at_once(&subject, &a).await;
}

pub(super) async fn of_reclaims_have_one_winner(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let first = subject.claim_and_doubt(&a).await.open.expect("open");
    claim_at_once(&subject, &a).await;
    assert_eq!(subject.row(&a).await.open.expect("open").first, first.first);
}

pub(super) async fn of_logins_of_one_token_have_one_winner(subject: StoreSubject) {
    for round in 0..5 {
        let name = move |n| account(&format!("{round}-{n}"));
        let answers = together(8, |n| {
            let store = Arc::clone(subject.store());
            async move { store.login(&name(n), &login(token(round)), &payload("x")).await }
        });
        let mut winners = 0;
        for answer in answers.await {
            match answer {
                Ok(_) => winners += 1,
                Err(error) => assert!(matches!(error, StoreError::AlreadyPresented), "{error:?}"),
            }
        }
        assert_eq!(winners, 1, "round {round}");
    }
}

/// A token moves from its row to the archive while it is brought: it is known at every instant.
pub(super) async fn of_logins_with_spent_tokens_during_rotations_have_no_winner(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(0)).await;
    let listed = MAX_PRESENTED as u64;
    for n in 1..=listed {
        subject.rotate(&a, token(n)).await;
    }
    let workers = together(WORKERS, |worker| {
        let (store, a) = (Arc::clone(subject.store()), a.clone());
        async move {
            for round in 0..ROTATIONS as u64 {
                if worker == 0 {
                    try_rotate(&*store, &a, token(listed + round + 1)).await;
                    continue;
                }
                let name = if worker % 2 == 0 { a.clone() } else { account(&format!("{worker}")) };
                for near in 0..3 {
                    let spent = (round + near).min(listed - 1);
                    let answered = store.login(&name, &login(token(spent)), &payload("x")).await;
                    assert!(matches!(answered, Err(StoreError::AlreadyPresented)), "{spent}: {answered:?}");
                }
            }
        }
    });
    workers.await;
    assert_eq!(subject.row(&a).await.rotations, listed + ROTATIONS as u64);
}

pub(super) async fn of_pins_have_one_winner(subject: StoreSubject) {
    let pins = together(8, |n| {
        let store = Arc::clone(subject.store());
        async move { store.pin("raced", n.to_string().as_bytes()).await.expect("pins") }
    });
    let distinct: BTreeSet<_> = pins.await.into_iter().collect();
    assert_eq!(distinct.len(), 1);
}

/// Whoever re-seals has opened what one change brought: it must never stand in the place of what the next one brought.
pub(super) async fn of_reseals_with_rotations_lose_no_rotation(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(u64::MAX - 1)).await;
    let workers = together(WORKERS, |worker| {
        let (store, account) = (Arc::clone(subject.store()), a.clone());
        async move {
            for round in 0..ROTATIONS {
                if worker % 2 == 0 {
                    let to = token((worker * ROTATIONS + round) as u64);
                    try_rotate(&*store, &account, to).await;
                }
                let row = store.load(&account).await.expect("loads").record.expect("a row").row;
                tokio::task::yield_now().await;
                let sealed = Sealed::new(row.made_by.to_string().into_bytes());
                match store.reseal(&account, row.made_by, &sealed).await {
                    Ok(_) | Err(StoreError::Moved(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
                let record = store.load(&account).await.expect("loads").record.expect("a row");
                let by = record.row.made_by.to_string().into_bytes();
                let brought = [payload("login"), payload("race"), Sealed::new(by)];
                assert!(brought.contains(&record.payload), "the payload of another generation");
            }
        }
    });
    workers.await;
}

/// Eight claims that all fit the row as it is: one is made, the others see it.
async fn claim_at_once(subject: &StoreSubject, a: &Account) {
    let fits = claim_on(&subject.load(a).await);
    let answers = together(8, |_| {
        let (store, account, claim) = (Arc::clone(subject.store()), a.clone(), Claim { id: id(), ..fits });
        async move { (claim.id, store.claim(&account, &claim).await) }
    });
    let mut won = Vec::new();
    for (id, answer) in answers.await {
        match answer {
            Ok(_) => won.push(id),
            Err(error) => assert!(matches!(error, StoreError::Moved(_)), "{error:?}"),
        }
    }
    let open = subject.row(a).await.open.expect("open");
    assert_eq!(won, [open.id]);
}

/// One rotation, unless somebody else is first.
async fn try_rotate(
    store: &dyn Store,
    account: &Account,
    to: solekey_core::Fingerprint,
) -> Option<Generation> {
    let loaded = store.load(account).await.expect("loads");
    let claimed = match store.claim(account, &claim_on(&loaded)).await {
        Ok(claimed) => claimed.record.expect("a claimed row").row,
        Err(StoreError::Moved(_)) => {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            return None;
        }
        Err(error) => panic!("{error:?}"),
    };
    let commit = commit_of(&claimed, to);
    store.commit(account, &commit, &payload("race")).await.expect("the attempt's own commit is accepted");
    Some(commit.note.attempt)
}

/// Starts `count` tasks at the same moment and collects what they bring.
async fn together<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (start, work) = (Arc::clone(&start), work(n));
            tokio::spawn(async move {
                start.wait().await;
                work.await
            })
        })
        .collect();
    let mut brought = Vec::with_capacity(count);
    for task in tasks {
        brought.push(task.await.expect("no worker panics"));
    }
    brought
}
