//! The cases that every shared cache passes.

use std::time::Duration;

use solekey_core::{
    Account, Decision, Delay, Generation, Revocation, Sealed, Verdict,
    ports::{Cache, CacheEntry, CachedToken, Heard, Listen, Publication},
};
use tokio::time::timeout;

use crate::{
    Report, Subject, cache,
    case::{self, Case, cases},
    wait::{LIMIT, until},
};

/// A shared cache to run the list over.
pub type CacheSubject = Subject<dyn Cache>;

/// The list.
pub const CASES: &[Case<CacheSubject>] = cases! { CacheSubject =>
    cache: [
        knows_nothing_of_an_unknown_account,
        shows_what_was_published,
        never_goes_back,
        takes_the_same_generation_again,
        counts_down,
        lets_a_token_go_at_its_true_end,
        lets_nothing_last_longer_for_coming_late,
        takes_no_time_that_is_yet_to_come,
        shows_a_token_that_is_not_good_enough_any_more,
        calls_nothing_good_for_longer_than_it_is_valid,
        keeps_the_token_with_a_later_verdict,
        voids_a_verdict_with_a_newer_generation,
        lets_a_verdict_end,
        keeps_a_verdict_that_has_no_end,
        marks_the_current_token_rejected_and_clears_the_rejection,
        ignores_a_mark_on_an_older_token,
        keeps_no_mark_of_an_unknown_account,
        lets_a_mark_go_with_its_token,
        forgets_the_token_of_a_deleted_account,
        forgets_the_token_that_a_login_replaced,
        keeps_the_token_of_the_login_itself,
        keeps_a_proof_with_what_it_proves,
        forgets_an_entry_with_everything_in_it,
        belongs_to_one_account,
        notifies_listeners_of_changes,
        notifies_listeners_of_rejections,
        raced_for_shows_the_newest,
    ],
};

/// Runs the list over `adapter`; `build` makes a fresh, empty shared cache for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> CacheSubject) -> Report {
    case::run("cache", adapter, CASES, build).await
}

const LONG: Duration = Duration::from_secs(60 * 60);
const SHORT: Duration = Duration::from_millis(60);

async fn knows_nothing_of_an_unknown_account(subject: CacheSubject) {
    assert_eq!(subject.shared_cache(&account("nobody")).await, CacheEntry::default());
}

async fn shows_what_was_published(subject: CacheSubject) {
    let a = account("a");
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(20_000).collect();
    let token = CachedToken { payload: Sealed::new(every_byte.clone()), ..token(5) };
    assert!(subject.publish(&a, &Publication { token: Some(token), ..publication(5) }).await);
    let shared_cache = subject.shared_cache(&a).await;
    let shown = shared_cache.token.expect("a token");
    assert_eq!((shown.generation, shown.payload.as_bytes()), (Generation::new(5), &*every_byte));
    assert!(shown.valid <= LONG && shown.valid > LONG / 2 && shown.good <= LONG / 2 && shown.good > LONG / 4);
    assert_eq!(
        (shared_cache.known, shared_cache.verdict, shared_cache.rejected),
        (Some(Generation::new(5)), None, None)
    );
    assert!(!shared_cache.gone);
}

async fn never_goes_back(subject: CacheSubject) {
    let a = account("a");
    // Far apart in size: an order of texts, or of floating point numbers, would show.
    let newest = (1 << 62) + 1;
    assert!(subject.publish(&a, &publication(newest)).await);
    for older in [newest - 1, 9, 99_999_999] {
        let gone = Publication { gone: true, token: None, ..publication(older) };
        for publication in [publication(older), gone] {
            assert!(!subject.publish(&a, &publication).await, "{older} after {newest}");
        }
    }
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!(shared_cache.known, Some(Generation::new(newest)));
    assert_eq!(shared_cache.token.expect("a token").generation, Generation::new(newest));
    assert!(!shared_cache.gone && subject.publish(&a, &publication(newest + 1)).await);
}

async fn takes_the_same_generation_again(subject: CacheSubject) {
    let a = account("a");
    subject
        .publish(&a, &Publication { token: None, verdict: Some(not_before(5, LONG)), ..publication(5) })
        .await;
    assert!(subject.publish(&a, &publication(5)).await);
    let shared_cache = subject.shared_cache(&a).await;
    assert!(shared_cache.token.is_some() && shared_cache.verdict.is_none(), "{shared_cache:?}");
}

async fn counts_down(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &Publication { verdict: Some(not_before(5, LONG)), ..publication(5) }).await;
    let later = async || {
        let shared_cache = subject.shared_cache(&a).await;
        let (token, Decision::NotBefore { at, .. }) = (shared_cache.token?, shared_cache.verdict?.decision)
        else {
            return None;
        };
        (token.valid + SHORT < LONG && token.good + SHORT < LONG / 2 && at + SHORT < LONG).then_some(())
    };
    until("the spans to shrink", later).await;
}

async fn lets_a_token_go_at_its_true_end(subject: CacheSubject) {
    let a = account("a");
    let brief = CachedToken { valid: SHORT, good: Duration::ZERO, ..token(5) };
    subject.publish(&a, &Publication { token: Some(brief), ..publication(5) }).await;
    let over =
        async || Some(subject.shared_cache(&a).await).filter(|shared_cache| shared_cache.token.is_none());
    let shared_cache = until("the token to end", over).await;
    assert_eq!(shared_cache.known, Some(Generation::new(5)), "the generation outlives its token");
    assert!(!subject.publish(&a, &publication(4)).await);
}

async fn lets_nothing_last_longer_for_coming_late(subject: CacheSubject) {
    let a = account("a");
    let now = subject.port.time().await.expect("returns the time");
    let late =
        Publication { as_of: Some(now - LONG / 4), verdict: Some(not_before(5, LONG)), ..publication(5) };
    assert!(subject.publish(&a, &late).await);
    let shared_cache = subject.shared_cache(&a).await;
    let (shown, Some(Decision::NotBefore { at, .. })) =
        (shared_cache.token.expect("valid still"), shared_cache.verdict.map(|verdict| verdict.decision))
    else {
        panic!("a verdict");
    };
    let left = LONG * 3 / 4;
    assert!(shown.valid <= left && shown.valid > LONG / 2 && at <= left && at > LONG / 2);
    assert!(shown.good <= LONG / 4);

    let too_late = Publication { as_of: Some(now - LONG), ..publication(6) };
    assert!(subject.publish(&a, &too_late).await);
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!((shared_cache.known, shared_cache.token), (Some(Generation::new(6)), None));
}

async fn takes_no_time_that_is_yet_to_come(subject: CacheSubject) {
    let a = account("a");
    let now = subject.port.time().await.expect("returns the time");
    let early = Publication { as_of: Some(now + LONG), ..publication(5) };
    assert!(subject.publish(&a, &early).await);
    let shown = subject.shared_cache(&a).await.token.expect("a token");
    assert!(shown.valid <= LONG && shown.good <= LONG / 2, "{shown:?}");
}

async fn shows_a_token_that_is_not_good_enough_any_more(subject: CacheSubject) {
    let a = account("a");
    let worn = CachedToken { good: Duration::ZERO, ..token(5) };
    subject.publish(&a, &Publication { token: Some(worn), ..publication(5) }).await;
    let shown = subject.shared_cache(&a).await.token.expect("truly valid still");
    assert!(shown.good.is_zero() && shown.valid > LONG / 2);
}

async fn calls_nothing_good_for_longer_than_it_is_valid(subject: CacheSubject) {
    let a = account("a");
    let token = CachedToken { valid: LONG, good: LONG + LONG, ..token(5) };
    subject.publish(&a, &Publication { token: Some(token), ..publication(5) }).await;
    let shown = subject.shared_cache(&a).await.token.expect("a token");
    assert!(shown.good <= shown.valid, "{shown:?}");
}

async fn keeps_the_token_with_a_later_verdict(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(5)).await;
    let verdict = Verdict { strikes: 3, ..not_before(5, LONG) };
    assert!(
        subject.publish(&a, &Publication { token: None, verdict: Some(verdict), ..publication(5) }).await
    );
    let shared_cache = subject.shared_cache(&a).await;
    let shown = shared_cache.verdict.expect("a verdict");
    assert_eq!((shown.generation, shown.strikes), (Generation::new(5), 3));
    assert!(
        matches!(shown.decision, Decision::NotBefore { at, why: Delay::ProviderDown } if at <= LONG && at > LONG / 2)
    );
    assert_eq!(shared_cache.token.expect("a token").generation, Generation::new(5));
}

async fn voids_a_verdict_with_a_newer_generation(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &Publication { verdict: Some(log_in(5)), ..publication(5) }).await;
    subject.publish(&a, &publication(6)).await;
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!((shared_cache.verdict, shared_cache.known), (None, Some(Generation::new(6))));
    let late = Publication { verdict: Some(log_in(5)), ..publication(5) };
    assert!(!subject.publish(&a, &late).await);
    assert_eq!(subject.shared_cache(&a).await.verdict, None);
}

async fn lets_a_verdict_end(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &Publication { verdict: Some(not_before(5, SHORT)), ..publication(5) }).await;
    let over =
        async || Some(subject.shared_cache(&a).await).filter(|shared_cache| shared_cache.verdict.is_none());
    assert!(until("the verdict to end", over).await.token.is_some(), "the token stays");
}

async fn keeps_a_verdict_that_has_no_end(subject: CacheSubject) {
    let a = account("a");
    let dead = Publication { token: None, verdict: Some(log_in(5)), ..publication(5) };
    subject.publish(&a, &dead).await;
    assert_eq!(subject.shared_cache(&a).await.verdict, Some(log_in(5)));
}

async fn marks_the_current_token_rejected_and_clears_the_rejection(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(5)).await;
    subject.reject(&a, 5).await;
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!(shared_cache.rejected, Some(Generation::new(5)));
    assert!(shared_cache.token.is_some(), "the rejection leaves the token");
    subject.publish(&a, &publication(5)).await;
    assert_eq!(subject.shared_cache(&a).await.rejected, Some(Generation::new(5)), "until superseded");
    subject.clear_rejection(&a, 4).await;
    assert_eq!(subject.shared_cache(&a).await.rejected, Some(Generation::new(5)));
    subject.clear_rejection(&a, 5).await;
    assert_eq!(subject.shared_cache(&a).await.rejected, None);
}

async fn ignores_a_mark_on_an_older_token(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(6)).await;
    subject.reject(&a, 5).await;
    assert_eq!(subject.shared_cache(&a).await.rejected, None);
    subject.reject(&a, 6).await;
    subject.publish(&a, &publication(7)).await;
    assert_ne!(subject.shared_cache(&a).await.rejected, Some(Generation::new(7)));
}

async fn keeps_no_mark_of_an_unknown_account(subject: CacheSubject) {
    let a = account("a");
    subject.reject(&a, 5).await;
    assert_eq!(subject.shared_cache(&a).await, CacheEntry::default());
}

async fn lets_a_mark_go_with_its_token(subject: CacheSubject) {
    let a = account("a");
    let marked = async || subject.shared_cache(&a).await.rejected;
    subject.publish(&a, &publication(5)).await;
    subject.reject(&a, 5).await;
    subject.publish(&a, &Publication { token: None, ..publication(6) }).await;
    assert_eq!(marked().await, Some(Generation::new(5)), "its token is there");
    subject.publish(&a, &publication(7)).await;
    assert_eq!(marked().await, None, "a newer token is there");
    subject.reject(&a, 7).await;
    subject.publish(&a, &Publication { token: None, gone: true, ..publication(8) }).await;
    assert_eq!(marked().await, None, "the account is gone");
}

async fn forgets_the_token_of_a_deleted_account(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(5)).await;
    subject.publish(&a, &Publication { token: None, gone: true, ..publication(6) }).await;
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!(
        (shared_cache.gone, shared_cache.token, shared_cache.known),
        (true, None, Some(Generation::new(6)))
    );
    assert!(!subject.publish(&a, &publication(5)).await, "a late publication does not bring it back");
    assert!(subject.publish(&a, &publication(7)).await);
    let shared_cache = subject.shared_cache(&a).await;
    assert!(!shared_cache.gone && shared_cache.token.is_some(), "a login does");
}

async fn forgets_the_token_that_a_login_replaced(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(5)).await;
    subject.reject(&a, 5).await;
    let login = Publication { token: None, replaces: true, ..publication(6) };
    assert!(subject.publish(&a, &login).await);
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!(
        (shared_cache.known, shared_cache.token, shared_cache.gone),
        (Some(Generation::new(6)), None, false)
    );
    assert!(!subject.publish(&a, &publication(5)).await, "a late publication does not bring it back");
    assert!(subject.publish(&a, &publication(7)).await);
    assert!(subject.shared_cache(&a).await.token.is_some(), "a refresh brings its own");
}

async fn keeps_the_token_of_the_login_itself(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(5)).await;
    subject.publish(&a, &Publication { replaces: true, ..publication(6) }).await;
    let held_up =
        Publication { token: None, verdict: Some(not_before(6, LONG)), replaces: true, ..publication(6) };
    subject.publish(&a, &held_up).await;
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!(shared_cache.token.expect("a token").generation, Generation::new(6));
    assert!(shared_cache.verdict.is_some());
}

async fn belongs_to_one_account(subject: CacheSubject) {
    let names = [("p", "a:b"), ("p:a", "b"), ("p", "A:b"), ("p", "{a}"), ("p", "*")];
    let accounts = names.map(|(provider, id)| Account::new(provider, id).expect("a valid name"));
    for (account, generation) in accounts.iter().zip(5..) {
        assert!(subject.publish(account, &publication(generation)).await);
    }
    for (account, generation) in accounts.iter().zip(5..) {
        assert_eq!(subject.shared_cache(account).await.known, Some(Generation::new(generation)));
    }
}

async fn keeps_a_proof_with_what_it_proves(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(5)).await;
    let shown = subject.shared_cache(&a).await;
    assert_eq!((&shown.proof, &shown.rejected_proof), (&proof_of(5), &Sealed::default()));
    subject.reject(&a, 5).await;
    let marked = subject.shared_cache(&a).await;
    assert_eq!((&marked.proof, &marked.rejected_proof), (&proof_of(5), &proof_of(5)));
    subject.publish(&a, &Publication { token: None, ..publication(6) }).await;
    let later = subject.shared_cache(&a).await;
    assert_eq!((&later.proof, &later.rejected_proof), (&proof_of(6), &proof_of(5)), "the mark stays");
    subject.clear_rejection(&a, 5).await;
    assert_eq!(subject.shared_cache(&a).await.rejected_proof, Sealed::default());
    subject.reject(&a, 6).await;
    subject.publish(&a, &Publication { proof: Sealed::default(), ..publication(7) }).await;
    let last = subject.shared_cache(&a).await;
    assert_eq!((&last.proof, &last.rejected_proof), (&Sealed::default(), &Sealed::default()));
}

async fn forgets_an_entry_with_everything_in_it(subject: CacheSubject) {
    let (a, b) = (account("a"), account("b"));
    for account in [&a, &b] {
        subject.publish(account, &publication(1 << 60)).await;
        subject.reject(account, 1 << 60).await;
    }
    subject.port.forget(&a).await.expect("forgets");
    assert_eq!(subject.shared_cache(&a).await, CacheEntry::default());
    assert_eq!(subject.shared_cache(&b).await.known, Some(Generation::new(1 << 60)));
    assert!(subject.publish(&a, &publication(5)).await, "nothing newer is there any more");
}

async fn notifies_listeners_of_changes(subject: CacheSubject) {
    let mut listeners = [subject.port.listen().await, subject.port.listen().await];
    let changes = [(account("a"), 5), (account("b"), 7), (account("a"), 8)];
    for (account, generation) in &changes {
        subject.publish(account, &publication(*generation)).await;
    }
    for listener in &mut listeners {
        for (account, generation) in &changes {
            hear(&mut **listener, account, Generation::new(*generation)).await;
        }
    }
}

async fn notifies_listeners_of_rejections(subject: CacheSubject) {
    let a = account("a");
    subject.publish(&a, &publication(5)).await;
    let mut listener = subject.port.listen().await;
    subject.reject(&a, 5).await;
    hear(&mut *listener, &a, Generation::new(5)).await;
    subject.clear_rejection(&a, 5).await;
    hear(&mut *listener, &a, Generation::new(5)).await;
}

async fn raced_for_shows_the_newest(subject: CacheSubject) {
    let a = account("a");
    let writers: Vec<_> = (1..=16)
        .map(|generation| {
            let (cache, account) = (subject.port.clone(), a.clone());
            tokio::spawn(async move { cache.publish(&account, &publication(generation)).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no writer panics").expect("publishes");
    }
    let shared_cache = subject.shared_cache(&a).await;
    assert_eq!(shared_cache.known, Some(Generation::new(16)));
    assert_eq!(shared_cache.token.expect("a token").generation, Generation::new(16));
}

/// Listens until the change is heard of, or a gap, which means that anything may have changed.
async fn hear(listener: &mut dyn Listen, account: &Account, generation: Generation) {
    let expected = Heard::Changed { key: account.key(), generation };
    let heard = async {
        loop {
            match listener.next().await {
                Some(heard) if heard == expected || heard == Heard::Gap => return,
                Some(_) => {}
                None => panic!("the shared cache is gone"),
            }
        }
    };
    timeout(LIMIT, heard).await.expect("the change is heard of");
}

impl CacheSubject {
    async fn shared_cache(&self, account: &Account) -> CacheEntry {
        self.port.read(account).await.expect("reads")
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> bool {
        self.port.publish(account, publication).await.expect("publishes")
    }

    async fn reject(&self, account: &Account, generation: u64) {
        self.port.reject(account, Generation::new(generation), &proof_of(generation)).await.expect("rejects");
    }

    async fn clear_rejection(&self, account: &Account, generation: u64) {
        self.port.clear_rejection(account, Generation::new(generation)).await.expect("clears");
    }
}

fn account(id: &str) -> Account {
    Account::new("acme", id).expect("a valid name")
}

fn token(generation: u64) -> CachedToken {
    let payload = Sealed::new(&b"sealed"[..]);
    CachedToken { generation: Generation::new(generation), payload, valid: LONG, good: LONG / 2 }
}

fn publication(generation: u64) -> Publication {
    let token = Some(token(generation));
    Publication {
        generation: Generation::new(generation),
        token,
        verdict: None,
        gone: false,
        replaces: false,
        as_of: None,
        proof: proof_of(generation),
    }
}

fn proof_of(generation: u64) -> Sealed {
    Sealed::new(format!("proof\n of\0{generation}"))
}

fn not_before(generation: u64, span: Duration) -> Verdict<Duration> {
    let decision = Decision::NotBefore { at: span, why: Delay::ProviderDown };
    Verdict { generation: Generation::new(generation), decision, strikes: 1 }
}

fn log_in(generation: u64) -> Verdict<Duration> {
    let decision = Decision::LogIn { why: Revocation::Refused };
    Verdict { generation: Generation::new(generation), decision, strikes: 0 }
}
