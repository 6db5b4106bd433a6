//! The process level of the cache, quick_cache included.

use shuttle::thread;
use solekey_core::Generation;

use crate::{
    Entry, ProcessCache, ReadStart, Times,
    explore::{sample, sample_fair},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    tests::fixture::{generation, join, key, moment},
};

type Cache = ProcessCache<u64>;

fn cache() -> Arc<Cache> {
    Arc::new(ProcessCache::new(4))
}

fn entry(number: u64, asked: ReadStart) -> Entry<u64> {
    let times = Times { ahead_from: moment(3_000), good_until: moment(3_540), valid_until: moment(3_600) };
    Entry::new(generation(number), number, times, asked)
}

fn fill(cache: &Cache, number: u64) {
    cache.fill(key(), entry(number, cache.begin_read(moment(0))));
}

fn served(cache: &Cache) -> Option<Generation> {
    let entry = cache.get(key())?;
    assert_eq!(entry.value, entry.generation.get(), "a value under another's number");
    Some(entry.generation)
}

#[test]
fn a_read_is_never_older_than_what_was_put_in_before_it_began() {
    // Of two fills of an empty place one parks.
    sample_fair(|| {
        let cache = cache();
        let put = Arc::new(AtomicU64::new(0));
        let writers = [[2, 1], [1, 3]].map(|numbers| {
            let (cache, put) = (Arc::clone(&cache), Arc::clone(&put));
            thread::spawn(move || {
                for number in numbers {
                    fill(&cache, number);
                    put.fetch_max(number, SeqCst);
                }
            })
        });
        for _ in 0..3 {
            let before = put.load(SeqCst);
            let read = served(&cache).map_or(0, Generation::get);
            assert!(read >= before, "read {read} after {before} had been put in");
        }
        join(writers);
        assert_eq!(served(&cache), Some(generation(3)));
    });
}

#[test]
fn what_was_taken_out_is_not_read_again_whatever_is_under_way() {
    sample(|| {
        let cache = cache();
        fill(&cache, 1);
        let late = [2, 1].map(|number| {
            let cache = Arc::clone(&cache);
            thread::spawn(move || fill(&cache, number))
        });
        cache.remove_older(key(), generation(3));
        assert_eq!(served(&cache), None);
        join(late);
        assert_eq!(served(&cache), None);
        fill(&cache, 3);
        assert_eq!(served(&cache), Some(generation(3)));
    });
}

#[test]
fn a_mark_is_not_lost_to_a_read_that_began_before_it() {
    sample(|| {
        let cache = cache();
        fill(&cache, 1);
        let asked = cache.begin_read(moment(1));
        let reader = Arc::clone(&cache);
        let reader = thread::spawn(move || reader.fill(key(), entry(1, asked)));
        cache.reject(key(), generation(1), moment(2));
        assert!(cache.get(key()).unwrap().is_rejected());
        reader.join().unwrap();
        assert!(cache.get(key()).unwrap().is_rejected());
    });
}

#[test]
fn a_notification_of_a_newer_token_is_not_lost_to_a_read_that_began_before_it() {
    sample(|| {
        let cache = cache();
        fill(&cache, 1);
        let asked = cache.begin_read(moment(1));
        let reader = Arc::clone(&cache);
        let reader = thread::spawn(move || reader.fill(key(), entry(1, asked)));
        cache.heard(key(), generation(2), moment(2));
        reader.join().unwrap();
        let entry = cache.get(key()).unwrap();
        assert!(entry.is_behind() && cache.needs_confirmation(&entry, moment(2)));
    });
}

#[test]
fn a_gap_is_not_forgotten_by_a_read_that_began_before_it() {
    sample(|| {
        let cache = cache();
        fill(&cache, 1);
        let asked = cache.begin_read(moment(1));
        let reader = Arc::clone(&cache);
        let reader = thread::spawn(move || {
            reader.fill(key(), entry(1, asked));
            reader.get(key()).unwrap().confirm(asked);
        });
        cache.mark_unconfirmed_all();
        reader.join().unwrap();
        let entry = cache.get(key()).unwrap();
        assert!(cache.needs_confirmation(&entry, moment(1)));
        entry.confirm(cache.begin_read(moment(1)));
        assert!(!cache.needs_confirmation(&entry, moment(1)));
    });
}

#[test]
fn of_concurrent_callers_one_reads() {
    sample(|| {
        let cache = cache();
        fill(&cache, 1);
        let reads = Arc::new(AtomicUsize::new(0));
        let callers = [(); 3].map(|()| {
            let (cache, reads) = (Arc::clone(&cache), Arc::clone(&reads));
            thread::spawn(move || {
                let entry = cache.get(key()).unwrap();
                if cache.take_confirmation(&entry, moment(100)).is_some() {
                    reads.fetch_add(1, SeqCst);
                }
            })
        });
        join(callers);
        assert_eq!(reads.load(SeqCst), 1);
    });
}
