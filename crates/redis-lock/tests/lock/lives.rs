//! How long a lease lasts, over the whole range of its ttl.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// What a test machine may take between two steps.
const MARGIN: Duration = Duration::from_secs(60);

fn assert_close(found: Duration, expected: Duration, about: &str) {
    assert!(found <= expected && found + MARGIN >= expected, "{about}: {found:?}, not {expected:?}");
}

/// The time that the key has left.
async fn life(link: &RedisLink) -> Duration {
    let left: i64 = link.query(cmd("PTTL").arg(KEY)).await.unwrap();
    Duration::from_millis(left.try_into().expect("it ends"))
}

async fn remaining(lock: &RedisLock) -> Duration {
    match raw(lock, LeaseToken::random(), HOUR).await {
        Acquired::Busy { remaining } => remaining,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lease_lasts_for_its_ttl_and_its_fence_a_day_longer_from_a_minute_to_a_year() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    for ttl in [2 * MARGIN, HOUR, 2 * HOUR, 12 * HOUR, DAY, 30 * DAY, 365 * DAY] {
        let about = format!("{ttl:?}");
        let token = LeaseToken::random();
        let Acquired::Granted { remaining: granted, .. } = raw(&lock, token, ttl).await else {
            panic!("{about}: nobody holds it")
        };
        assert_close(granted, ttl, &about);
        assert_close(remaining(&lock).await, ttl, &about);
        assert_close(life(&link).await, ttl + DAY, &about);

        let prolonged = ttl.min(364 * DAY) + HOUR;
        assert_eq!(lock.renew_raw(KEY, token, prolonged).await, Ok(Renewed::Renewed), "{about}");
        assert_close(remaining(&lock).await, prolonged, &about);
        assert_close(life(&link).await, prolonged + DAY, &about);

        assert_eq!(lock.release_raw(KEY, token).await, Ok(Released::Released), "{about}");
        assert_close(life(&link).await, DAY, &about);
    }
}

/// Its key is still there, for the sake of its fence.
#[tokio::test]
async fn a_lease_that_has_ended_is_neither_renewed_nor_released_and_is_anybodys() {
    let server = Server::start().await;
    let (lock, link, token) = (lock(&server).await, link(&server).await, LeaseToken::random());
    let Acquired::Granted { fence, .. } = raw(&lock, token, Duration::from_millis(1)).await else {
        panic!("nobody holds it")
    };
    let value: String = link.query(cmd("GET").arg(KEY)).await.unwrap();
    let ends: u64 = value.rsplit(' ').nth(1).unwrap().parse().unwrap();
    until("its end has passed", async || {
        let (secs, micros): (u64, u64) = link.query(&cmd("TIME")).await.unwrap();
        secs * 1_000_000 + micros > ends
    })
    .await;
    assert_eq!(lock.renew_raw(KEY, token, HOUR).await, Ok(Renewed::Lost));
    assert_eq!(lock.release_raw(KEY, token).await, Ok(Released::Lost));
    assert_eq!(stored(&link).await.as_deref(), Some("held"), "its fence is kept");
    assert_close(life(&link).await, DAY, "and lives no longer for it");
    let Acquired::Granted { fence: next, .. } = raw(&lock, LeaseToken::random(), HOUR).await else {
        panic!("it is free")
    };
    assert!(next > fence);
    assert_eq!(lock.renew_raw(KEY, token, HOUR).await, Ok(Renewed::Lost));
    assert_close(remaining(&lock).await, HOUR, "the other one's");
}
