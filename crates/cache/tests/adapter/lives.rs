//! How long each key lives, over the whole range of what it is about.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{
    Admission, BreakerRequest, ClaimId, KEEP_ANSWERS, Limits, Sealed,
    ports::{Cache, CachedToken, Publication, RateLimiter, StartRequest},
};
use solekey_redis_link::cmd;
use uuid::Uuid;

use crate::fixture::{Fixture, fresh, generation, log_in, token};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What a test machine may take between two steps.
const MARGIN: Duration = Duration::from_secs(60);
/// Spans are cut to fifty years.
const LONGEST: Duration = Duration::from_secs(50 * 365 * 24 * 3600);

/// The time that each key under the prefix has left.
async fn lives(fixture: &Fixture) -> BTreeMap<String, Duration> {
    let keys = fixture.keys().await;
    let mut lives = BTreeMap::new();
    for key in keys {
        let left: i64 = fixture.link.query(cmd("PTTL").arg(&key)).await.unwrap();
        let left = u64::try_from(left).unwrap_or_else(|_| panic!("{key} lives for ever"));
        let noun = if key.contains(":pace:") { "pace" } else { key.rsplit(':').next().unwrap() };
        lives.insert(noun.to_owned(), Duration::from_millis(left));
    }
    lives
}

fn assert_lives(lives: &BTreeMap<String, Duration>, expected: &[(&str, Duration)]) {
    let names: Vec<_> = lives.keys().map(String::as_str).collect();
    assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, life) in expected {
        let left = lives[*name];
        assert!(left <= *life && left + MARGIN >= *life, "{name} lives for {left:?}, not {life:?}");
    }
}

fn lasting(number: u64, valid: Duration, good: Duration) -> Publication {
    Publication { token: Some(CachedToken { valid, good, ..token(number) }), ..fresh(number) }
}

#[tokio::test]
async fn an_entry_lives_as_long_as_its_token_and_its_witness_longer_whatever_the_token_lives() {
    let hour = DAY / 24;
    for valid in [hour, 12 * hour, DAY, 6 * DAY, 8 * DAY, 90 * DAY, 3650 * DAY, LONGEST, 2 * LONGEST] {
        let fixture = Fixture::new().await;
        let good = valid.saturating_sub(MARGIN * 5);
        fixture.cache.publish(&fixture.account, &lasting(7, valid, good)).await.unwrap();
        let last = KEEP_ANSWERS.max(valid.min(LONGEST) + DAY);
        assert_lives(&lives(&fixture).await, &[("last", last), ("tok", good.min(LONGEST))]);

        let fast = fixture.cache.read(&fixture.account).await.unwrap().token.unwrap();
        let _: () = fixture.ask("DEL", "tok", &[]).await;
        let slow = fixture.cache.read(&fixture.account).await.unwrap().token.unwrap();
        for shown in [fast, slow] {
            for (shown, published) in [(shown.valid, valid.min(LONGEST)), (shown.good, good.min(LONGEST))] {
                assert!(shown <= published && shown + MARGIN >= published, "{shown:?} of {published:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_later_publication_rejection_or_verdict_shortens_the_life_of_a_token_that_stays() {
    let (fixture, month) = (Fixture::new().await, 30 * DAY);
    let last = month + DAY;
    fixture.cache.publish(&fixture.account, &lasting(7, month, month)).await.unwrap();
    let bare = |number| Publication { token: None, ..fresh(number) };
    for publication in [bare(7), Publication { verdict: Some(log_in(7)), ..bare(7) }, bare(8)] {
        fixture.cache.publish(&fixture.account, &publication).await.unwrap();
        assert_lives(&lives(&fixture).await, &[("last", last), ("tok", month)]);
    }
    fixture.cache.reject(&fixture.account, generation(8), &Sealed::default()).await.unwrap();
    assert_lives(&lives(&fixture).await, &[("last", last)]);
    fixture.cache.clear_rejection(&fixture.account, generation(8)).await.unwrap();
    assert_lives(&lives(&fixture).await, &[("last", last)]);
    assert!(fixture.cache.read(&fixture.account).await.unwrap().token.unwrap().valid + MARGIN >= month);
    // A newer token of its own has a life of its own; its witness keeps the longer one.
    fixture.cache.publish(&fixture.account, &fresh(9)).await.unwrap();
    assert_lives(&lives(&fixture).await, &[("last", last), ("tok", crate::fixture::GOOD)]);
}

#[tokio::test]
async fn a_breaker_outlives_every_token_that_nobody_asks_for_and_no_pause_outlives_a_day() {
    let fixture = Fixture::new().await;
    let limiter = fixture.rate_limiter();
    for request in [
        BreakerRequest::Close { strikes: 0 },
        BreakerRequest::Retry,
        BreakerRequest::Admit { hold: MARGIN },
        BreakerRequest::Close { strikes: 1 },
    ] {
        limiter.breaker("acme", request).await.unwrap();
        let key = fixture.keys().await.remove(0);
        let left: u64 = fixture.link.query(cmd("PTTL").arg(&key)).await.unwrap();
        let left = Duration::from_millis(left);
        assert!(left <= 400 * DAY && left + MARGIN >= 400 * DAY, "{request:?}: {left:?}");
        let _: i64 = fixture.link.query(cmd("PEXPIRE").arg(&key).arg(60_000)).await.unwrap();
    }
    // As if the server's clock had been set back by a year.
    let key = fixture.keys().await.remove(0);
    let until: String = fixture.link.query(cmd("HGET").arg(&key).arg("until")).await.unwrap();
    let ahead = until.parse::<u128>().unwrap() + (365 * DAY).as_micros();
    let _: i64 = fixture.link.query(cmd("HSET").arg(&key).arg("until").arg(ahead.to_string())).await.unwrap();
    let admission = limiter.breaker("acme", BreakerRequest::Admit { hold: MARGIN }).await.unwrap();
    assert!(matches!(admission, Admission::Closed { wait } if wait <= DAY), "{admission:?}");
}

#[tokio::test]
async fn the_starts_of_a_provider_live_for_two_days_since_they_were_last_written() {
    let fixture = Fixture::new().await;
    let limits = Limits::new(1, 1);
    let limiter = fixture.rate_limiter();
    let request =
        StartRequest { who: Uuid::new_v4(), permit: ClaimId::new(Uuid::new_v4()), limits, ttl: DAY };
    for turn in 0..3 {
        match turn {
            0 => drop(limiter.request("acme", &request).await.unwrap()),
            1 => limiter.record("acme", 1, limits).await.unwrap(),
            _ => limiter.pause("acme", DAY).await.unwrap(),
        }
        assert_lives(&lives(&fixture).await, &[("pace", 2 * DAY)]);
        let key = fixture.keys().await.remove(0);
        let _: i64 = fixture.link.query(cmd("PEXPIRE").arg(&key).arg(60_000)).await.unwrap();
    }
}
