//! Tokens in this process.

use std::{sync::Arc, time::Duration};

use solekey_cache::{Absence, BELIEVE_ABSENCE, CONFIRM_EVERY, Entry, ProcessCache, ReadStart, Times};
use solekey_core::{AccountKey, Revocation};

use crate::fixture::{account, generation, moment};

fn key() -> AccountKey {
    account("alice").key()
}

fn entry(number: u64, asked: ReadStart) -> Entry<u64> {
    let times = Times { ahead_from: moment(3_000), good_until: moment(3_540), valid_until: moment(3_600) };
    Entry::new(generation(number), number, times, asked)
}

fn served(cache: &ProcessCache<u64>) -> Option<u64> {
    cache.get(key()).map(|entry| entry.value)
}

#[test]
fn a_token_is_fresh_then_ahead_then_in_skew_then_expired() {
    let cache = ProcessCache::new(10);
    cache.fill(key(), entry(1, cache.begin_read(moment(0))));
    let entry = cache.get(key()).unwrap();
    let states = [2_999, 3_000, 3_540, 3_600].map(|secs| {
        let now = moment(secs);
        (entry.is_good(now), entry.is_ahead(now), entry.is_valid(now))
    });
    assert_eq!(states, [(true, false, true), (true, true, true), (false, true, true), (false, true, false)]);
}

/// B8.
#[test]
fn an_older_generation_never_comes_back() {
    let cache = ProcessCache::new(10);
    let asked = cache.begin_read(moment(0));
    assert!(cache.fill(key(), entry(2, asked)));
    assert!(!cache.fill(key(), entry(1, cache.begin_read(moment(9)))));
    assert_eq!(served(&cache), Some(2));
    assert!(cache.fill(key(), entry(3, asked)));
    assert_eq!(served(&cache), Some(3));
}

/// M-T8.
#[test]
fn fills_that_race_leave_the_newest() {
    let cache = ProcessCache::new(1_000);
    for round in 0..200 {
        let key = account(&round.to_string()).key();
        std::thread::scope(|scope| {
            for number in [3, 1, 4, 2] {
                let cache = &cache;
                scope.spawn(move || cache.fill(key, entry(number, cache.begin_read(moment(0)))));
            }
        });
        assert_eq!(cache.get(key).unwrap().value, 4);
    }
}

#[test]
fn a_removed_token_leaves_its_generation_behind() {
    let cache = ProcessCache::new(10);
    let asked = cache.begin_read(moment(0));
    cache.fill(key(), entry(2, asked));
    cache.remove_older(key(), generation(2));
    assert_eq!(served(&cache), Some(2), "it is not older");
    cache.remove_older(key(), generation(3));
    assert_eq!(served(&cache), None);
    assert!(!cache.fill(key(), entry(2, asked)), "a fill that was under way comes too late");
    assert!(cache.fill(key(), entry(3, asked)));
    assert_eq!(served(&cache), Some(3));
}

/// B6.
#[test]
fn an_entry_wants_confirmation_every_thirty_seconds_from_before_the_question() {
    let cache = ProcessCache::new(10);
    cache.fill(key(), entry(1, cache.begin_read(moment(100))));
    let entry = cache.get(key()).unwrap();
    let due = moment(100) + CONFIRM_EVERY;
    assert!(!cache.needs_confirmation(&entry, due - Duration::from_micros(1)));
    let asked = cache.take_confirmation(&entry, due).unwrap();
    assert_eq!(cache.take_confirmation(&entry, due), None, "one caller reads");
    assert!(
        cache.take_confirmation(&entry, due + Duration::from_secs(1)).is_some(),
        "that read may have failed"
    );
    entry.confirm(asked);
    assert!(!cache.needs_confirmation(&entry, due));
    assert_eq!(entry.confirmed_at(), due);
}

#[test]
fn a_gap_unconfirms_everything_including_reads_that_began_before_it() {
    let cache = ProcessCache::new(10);
    let asked = cache.begin_read(moment(0));
    cache.fill(key(), entry(1, asked));
    cache.fill_absence(account("bob").key(), Absence::Unknown, moment(0));
    let entry = cache.get(key()).unwrap();
    assert!(!cache.needs_confirmation(&entry, moment(1)));
    cache.mark_unconfirmed_all();
    assert!(cache.needs_confirmation(&entry, moment(1)));
    assert_eq!(cache.absence(account("bob").key(), moment(0)), None);
    entry.confirm(asked);
    assert!(cache.needs_confirmation(&entry, moment(1)), "the answer under way may be older than the gap");
    entry.confirm(cache.begin_read(moment(1)));
    assert!(!cache.needs_confirmation(&entry, moment(1)));
}

#[test]
fn a_notification_of_a_newer_generation_requires_confirmation_and_keeps_serving() {
    let cache = ProcessCache::new(10);
    cache.fill(key(), entry(2, cache.begin_read(moment(0))));
    let entry = cache.get(key()).unwrap();
    cache.heard(key(), generation(1), moment(5));
    assert!(!cache.needs_confirmation(&entry, moment(5)));
    cache.heard(key(), generation(3), moment(5));
    assert!(entry.is_good(moment(5)) && cache.needs_confirmation(&entry, moment(5)));
    cache.heard(account("stranger").key(), generation(3), moment(5));
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_notification_of_the_tokens_own_generation_requires_a_read_that_begins_later() {
    let cache = ProcessCache::new(10);
    let (early, same) = (cache.begin_read(moment(1)), cache.begin_read(moment(5)));
    cache.fill(key(), entry(2, cache.begin_read(moment(0))));
    let token = cache.get(key()).unwrap();
    cache.heard(key(), generation(2), moment(5));
    assert!(token.is_good(moment(5)) && cache.needs_confirmation(&token, moment(5)));
    for under_way in [early, same] {
        token.confirm(under_way);
        assert!(cache.needs_confirmation(&token, moment(6)), "it may not have seen the mark");
    }
    token.confirm(cache.begin_read(moment(6)));
    assert!(!cache.needs_confirmation(&token, moment(6)));
}

#[test]
fn a_notification_of_a_token_under_way_is_not_lost_on_its_arrival() {
    let cache = ProcessCache::new(10);
    cache.fill(key(), entry(1, cache.begin_read(moment(0))));
    let asked = cache.begin_read(moment(1));
    cache.heard(key(), generation(2), moment(2));
    cache.fill(key(), entry(2, asked));
    let token = cache.get(key()).unwrap();
    assert!(cache.needs_confirmation(&token, moment(3)));
    cache.fill(key(), entry(3, asked));
    let token = cache.get(key()).unwrap();
    assert!(!cache.needs_confirmation(&token, moment(3)), "the notification was of an older one");
}

#[test]
fn a_rejected_token_is_withheld_until_a_later_read_finds_no_mark() {
    let cache = ProcessCache::new(10);
    let before = cache.begin_read(moment(10));
    cache.fill(key(), entry(1, cache.begin_read(moment(0))));
    cache.reject(key(), generation(1), moment(20));
    assert!(!cache.get(key()).unwrap().is_good(moment(20)));
    cache.fill(key(), entry(1, before));
    assert!(cache.get(key()).unwrap().is_rejected(), "asked for before the mark");
    cache.fill(key(), entry(1, cache.begin_read(moment(21))));
    assert!(!cache.get(key()).unwrap().is_rejected());

    cache.reject(key(), generation(1), moment(30));
    cache.clear_rejection(key(), generation(1));
    assert!(cache.get(key()).unwrap().is_good(moment(30)));
    cache.reject(key(), generation(1), moment(40));
    cache.fill(key(), entry(2, before));
    assert!(cache.get(key()).unwrap().is_good(moment(40)), "the mark is about the older token");
}

#[test]
fn within_a_generation_the_entry_requested_later_stays() {
    let cache = ProcessCache::new(10);
    let (early, late) = (cache.begin_read(moment(1)), cache.begin_read(moment(2)));
    assert!(cache.fill(key(), entry(1, late)));
    assert!(!cache.fill(key(), entry(1, early)));
    assert_eq!(cache.get(key()).unwrap().confirmed_at(), moment(2));
}

#[test]
fn an_absence_is_believed_for_two_seconds_or_until_a_login() {
    let cache: ProcessCache<u64> = ProcessCache::new(10);
    let refused = Absence::LogIn { generation: generation(5), why: Revocation::Refused };
    cache.fill_absence(key(), refused, moment(10));
    assert_eq!(cache.absence(key(), moment(11)), Some(refused));
    assert_eq!(cache.absence(key(), moment(10) + BELIEVE_ABSENCE), None);
    cache.heard(key(), generation(5), moment(11));
    assert_eq!(cache.absence(key(), moment(11)), Some(refused), "the notification is of the verdict itself");
    cache.heard(key(), generation(6), moment(11));
    assert_eq!(cache.absence(key(), moment(11)), None);

    cache.fill_absence(key(), Absence::Unknown, moment(10));
    cache.fill(key(), entry(1, cache.begin_read(moment(10))));
    assert_eq!(cache.absence(key(), moment(11)), None);
}

#[test]
fn neither_tokens_nor_invented_accounts_exceed_the_capacity_or_evict_each_other() {
    let cache = ProcessCache::new(100);
    cache.fill(key(), entry(1, cache.begin_read(moment(0))));
    for number in 0..10_000 {
        cache.fill_absence(account(&format!("invented {number}")).key(), Absence::Unknown, moment(0));
    }
    assert_eq!(served(&cache), Some(1));
    for number in 0..10_000 {
        cache.fill(account(&number.to_string()).key(), entry(1, cache.begin_read(moment(0))));
    }
    assert!(cache.len() <= 100, "{}", cache.len());
}

#[test]
fn an_entry_outlives_its_eviction_for_those_who_hold_it() {
    let cache = ProcessCache::new(10);
    cache.fill(key(), entry(1, cache.begin_read(moment(0))));
    let held = cache.get(key()).unwrap();
    cache.remove_older(key(), generation(9));
    assert_eq!((Arc::strong_count(&held), held.value), (1, 1));
}
