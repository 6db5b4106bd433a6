//! The state that replicas share.

use std::time::Duration;

use solekey_core::{
    Decision, Delay, Sealed,
    ports::{Cache, CacheEntry, CachedToken, Publication},
};

use crate::fixture::{Fixture, GOOD, VALID, fresh, generation, log_in, not_before, token};

/// A test machine may take this long between two steps.
const MARGIN: Duration = Duration::from_secs(60);

fn assert_close(shown: Duration, expected: Duration) {
    assert!(shown <= expected && shown + MARGIN >= expected, "{shown:?} is not just below {expected:?}");
}

fn assert_token(shared_cache: &CacheEntry, number: u64) {
    let CachedToken { generation: by, payload, valid, good } = shared_cache.token.as_ref().unwrap();
    assert_eq!((*by, payload), (generation(number), &token(number).payload));
    assert_close(*valid, VALID);
    assert_close(*good, GOOD);
}

#[tokio::test]
async fn an_account_never_published_is_unknown_to_the_shared_cache() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.cache.read(&fixture.account).await.unwrap(), CacheEntry::default());
}

/// S-T36.
#[tokio::test]
async fn a_publication_is_read_back_with_the_time_left() {
    let fixture = Fixture::new().await;
    let publication = Publication { verdict: Some(not_before(7, VALID)), ..fresh(7) };
    assert!(fixture.cache.publish(&fixture.account, &publication).await.unwrap());

    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!(
        (shared_cache.known, shared_cache.rejected, shared_cache.gone),
        (Some(generation(7)), None, false)
    );
    assert_token(&shared_cache, 7);
    let verdict = shared_cache.verdict.unwrap();
    assert_eq!((verdict.generation, verdict.strikes), (generation(7), 2));
    let Decision::NotBefore { at, why: Delay::RateLimited } = verdict.decision else { panic!("{verdict:?}") };
    assert_close(at, VALID);
}

/// B10.
#[tokio::test]
async fn the_fast_entry_ends_at_expiry_minus_skew_and_the_token_stays_readable_after_it() {
    let fixture = Fixture::new().await;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    let left: u64 = fixture.ask("PTTL", "tok", &[]).await;
    assert_close(Duration::from_millis(left), GOOD);

    let _: () = fixture.ask("DEL", "tok", &[]).await;
    assert_token(&fixture.cache.read(&fixture.account).await.unwrap(), 7);
}

#[tokio::test]
async fn both_ways_to_read_show_the_same() {
    let fixture = Fixture::new().await;
    for (number, verdict) in
        [(7, None), (8, Some(not_before(8, Duration::from_secs(600)))), (9, Some(log_in(9)))]
    {
        let publication = Publication { verdict, ..fresh(number) };
        fixture.cache.publish(&fixture.account, &publication).await.unwrap();

        let fast = fixture.cache.read(&fixture.account).await.unwrap();
        let _: () = fixture.ask("DEL", "tok", &[]).await;
        let slow = fixture.cache.read(&fixture.account).await.unwrap();
        assert_token(&fast, number);
        assert_token(&slow, number);
        assert_eq!((fast.known, fast.rejected, fast.gone), (slow.known, slow.rejected, slow.gone));
        let words = |shared_cache: &CacheEntry| shared_cache.verdict.map(|verdict| verdict.map(|_| ()));
        assert_eq!(words(&fast), words(&slow));
        assert_eq!(words(&fast).is_some(), verdict.is_some());
    }
}

/// S-T34.
#[tokio::test]
async fn an_older_publication_is_refused_and_changes_nothing() {
    let fixture = Fixture::new().await;
    assert!(fixture.cache.publish(&fixture.account, &fresh(9)).await.unwrap());
    assert!(!fixture.cache.publish(&fixture.account, &fresh(8)).await.unwrap());
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!(shared_cache.known, Some(generation(9)));
    assert_token(&shared_cache, 9);
}

#[tokio::test]
async fn generations_beyond_the_precision_of_floats_are_distinguished() {
    let fixture = Fixture::new().await;
    let big = u64::MAX - 1;
    assert!(fixture.cache.publish(&fixture.account, &fresh(big + 1)).await.unwrap());
    for older in [big, 99] {
        assert!(!fixture.cache.publish(&fixture.account, &fresh(older)).await.unwrap());
        fixture.cache.reject(&fixture.account, generation(older), &Sealed::default()).await.unwrap();
    }
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!((shared_cache.known, shared_cache.rejected), (Some(generation(big + 1)), None));
    assert_token(&shared_cache, big + 1);
}

/// N-7.
#[tokio::test]
async fn publications_that_race_leave_the_newest() {
    let fixture = Fixture::new().await;
    let tasks: Vec<_> = (1..=40)
        .map(|number| {
            let (cache, account) = (fixture.cache.clone(), fixture.account.clone());
            // Halfway between growing and shrinking order.
            tokio::spawn(async move { cache.publish(&account, &fresh(number * 17 % 41)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!(shared_cache.known, Some(generation(40)));
    assert_token(&shared_cache, 40);
}

#[tokio::test]
async fn the_same_generation_may_change_its_verdict_and_keeps_its_token() {
    let fixture = Fixture::new().await;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    let with_verdict = Publication {
        generation: generation(7),
        token: None,
        verdict: Some(log_in(7)),
        gone: false,
        replaces: false,
        as_of: None,
        proof: Sealed::default(),
    };
    assert!(fixture.cache.publish(&fixture.account, &with_verdict).await.unwrap());
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!(shared_cache.verdict, Some(log_in(7)));
    assert_token(&shared_cache, 7);

    assert!(fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap());
    assert_eq!(fixture.cache.read(&fixture.account).await.unwrap().verdict, None);
}

#[tokio::test]
async fn a_newer_generation_without_a_token_leaves_the_last_one_and_its_mark() {
    let fixture = Fixture::new().await;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    fixture.cache.reject(&fixture.account, generation(7), &Sealed::default()).await.unwrap();
    let bare = Publication { token: None, ..fresh(8) };
    fixture.cache.publish(&fixture.account, &bare).await.unwrap();
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!((shared_cache.known, shared_cache.rejected), (Some(generation(8)), Some(generation(7))));
    assert_token(&shared_cache, 7);
}

#[tokio::test]
async fn the_fast_entry_is_there_exactly_while_a_good_token_is_unmarked() {
    let fixture = Fixture::new().await;
    let there = async || fixture.ask::<bool>("EXISTS", "tok", &[]).await;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    assert!(there().await);

    fixture.cache.reject(&fixture.account, generation(7), &Sealed::default()).await.unwrap();
    assert!(!there().await, "a mark is for everybody");
    let with_verdict = Publication { token: None, verdict: Some(log_in(7)), ..fresh(7) };
    for publication in [fresh(7), with_verdict, Publication { token: None, ..fresh(8) }] {
        fixture.cache.publish(&fixture.account, &publication).await.unwrap();
        assert!(!there().await, "the mark still stands");
    }

    fixture.cache.publish(&fixture.account, &fresh(9)).await.unwrap();
    assert!(there().await);
    let login = Publication { token: None, replaces: true, ..fresh(10) };
    fixture.cache.publish(&fixture.account, &login).await.unwrap();
    assert!(!there().await, "the login took it away");
}

#[tokio::test]
async fn a_rejection_reaches_a_fast_entry_whose_state_was_evicted() {
    let fixture = Fixture::new().await;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    let _: () = fixture.ask("DEL", "last", &[]).await;
    assert_token(&fixture.cache.read(&fixture.account).await.unwrap(), 7);

    fixture.cache.reject(&fixture.account, generation(7), &Sealed::default()).await.unwrap();
    assert_eq!(fixture.cache.read(&fixture.account).await.unwrap(), CacheEntry::default());
}

#[tokio::test]
async fn an_older_publication_is_refused_although_what_decides_was_evicted() {
    let fixture = Fixture::new().await;
    fixture.cache.publish(&fixture.account, &fresh(9)).await.unwrap();
    let _: () = fixture.ask("DEL", "last", &[]).await;
    assert!(!fixture.cache.publish(&fixture.account, &fresh(8)).await.unwrap());
    assert_token(&fixture.cache.read(&fixture.account).await.unwrap(), 9);
    assert!(fixture.cache.publish(&fixture.account, &fresh(10)).await.unwrap());
}

/// S-T45.
#[tokio::test]
async fn garbage_under_the_fast_key_costs_a_round_trip_only() {
    let fixture = Fixture::new().await;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    let _: () = fixture.ask("SET", "tok", &["garbage", "PX", "60000"]).await;
    assert_token(&fixture.cache.read(&fixture.account).await.unwrap(), 7);
}

#[tokio::test]
async fn a_delete_leaves_its_generation_and_no_token() {
    let fixture = Fixture::new().await;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    let gone = Publication { token: None, gone: true, ..fresh(8) };
    assert!(fixture.cache.publish(&fixture.account, &gone).await.unwrap());
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!(shared_cache, CacheEntry { known: Some(generation(8)), gone: true, ..CacheEntry::default() });
    assert!(!fixture.ask::<bool>("EXISTS", "tok", &[]).await);
    assert!(!fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap());

    assert!(fixture.cache.publish(&fixture.account, &fresh(9)).await.unwrap());
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert!(!shared_cache.gone);
    assert_token(&shared_cache, 9);
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_is_shown_until_it_expires() {
    let fixture = Fixture::new().await;
    let stale = CachedToken { good: Duration::ZERO, ..token(7) };
    let publication = Publication { token: Some(stale), ..fresh(7) };
    fixture.cache.publish(&fixture.account, &publication).await.unwrap();
    assert!(!fixture.ask::<bool>("EXISTS", "tok", &[]).await);
    let shown = fixture.cache.read(&fixture.account).await.unwrap().token.unwrap();
    assert_eq!(shown.good, Duration::ZERO);
    assert_close(shown.valid, VALID);

    let expired = CachedToken { good: Duration::ZERO, valid: Duration::ZERO, ..token(8) };
    let publication = Publication { token: Some(expired), ..fresh(8) };
    fixture.cache.publish(&fixture.account, &publication).await.unwrap();
    let shared_cache = fixture.cache.read(&fixture.account).await.unwrap();
    assert_eq!((shared_cache.known, shared_cache.token), (Some(generation(8)), None));
}

#[tokio::test]
async fn a_verdict_that_has_ended_or_speaks_of_another_generation_is_not_shown() {
    let fixture = Fixture::new().await;
    for verdict in [not_before(7, Duration::ZERO), log_in(6)] {
        let publication = Publication { verdict: Some(verdict), ..fresh(7) };
        fixture.cache.publish(&fixture.account, &publication).await.unwrap();
        assert_eq!(fixture.cache.read(&fixture.account).await.unwrap().verdict, None);
    }
}

#[tokio::test]
async fn a_rejection_stays_until_a_newer_generation_or_a_clearing() {
    let fixture = Fixture::new().await;
    let rejected = async || fixture.cache.read(&fixture.account).await.unwrap().rejected;
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    fixture.cache.reject(&fixture.account, generation(6), &Sealed::default()).await.unwrap();
    assert_eq!(rejected().await, None, "something newer is there");

    fixture.cache.reject(&fixture.account, generation(7), &Sealed::default()).await.unwrap();
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    assert_eq!(rejected().await, Some(generation(7)), "the same generation is as bad as before");

    fixture.cache.publish(&fixture.account, &fresh(8)).await.unwrap();
    assert_eq!(rejected().await, None);

    fixture.cache.reject(&fixture.account, generation(8), &Sealed::default()).await.unwrap();
    fixture.cache.clear_rejection(&fixture.account, generation(7)).await.unwrap();
    assert_eq!(rejected().await, Some(generation(8)), "only the mark that is meant is taken back");
    fixture.cache.clear_rejection(&fixture.account, generation(8)).await.unwrap();
    assert_eq!(rejected().await, None);
    assert_token(&fixture.cache.read(&fixture.account).await.unwrap(), 8);
}

#[tokio::test]
async fn a_rejection_of_what_the_shared_cache_does_not_know_writes_nothing() {
    let fixture = Fixture::new().await;
    fixture.cache.reject(&fixture.account, generation(7), &Sealed::default()).await.unwrap();
    assert_eq!(fixture.ask::<i64>("EXISTS", "last", &[]).await, 0);
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    assert_eq!(fixture.cache.read(&fixture.account).await.unwrap().rejected, None);
}

#[tokio::test]
async fn the_witness_of_the_newest_generation_lives_a_week_and_longer_than_its_token() {
    let fixture = Fixture::new().await;
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    assert_close(Duration::from_millis(fixture.ask("PTTL", "last", &[]).await), week);

    let long = CachedToken { valid: 4 * week, good: 4 * week, ..token(8) };
    let publication = Publication { token: Some(long), ..fresh(8) };
    fixture.cache.publish(&fixture.account, &publication).await.unwrap();
    fixture.cache.reject(&fixture.account, generation(8), &Sealed::default()).await.unwrap();
    let left = Duration::from_millis(fixture.ask("PTTL", "last", &[]).await);
    assert!(left > 4 * week, "{left:?}");
}
