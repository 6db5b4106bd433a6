//! The tests that are particular to answers in Redis.

use std::time::Duration;

use solekey_core::{
    Answer, AnswerNote, Content, Generation, KEEP_ANSWERS, Sealed, StoreTime,
    ports::{Answers, Registration},
};

use solekey_redis_link::{RedisLink, cmd};
use solekey_store_redis::RedisAnswers;
use solekey_testkit::redis::RedisServer;

use crate::{
    fixture::{Fixture, key_of, patient},
    requests::{account, facts, id},
};

pub(crate) fn answer(attempt: u64, content: Content) -> Answer {
    let note = AnswerNote {
        attempt: Generation::new(attempt),
        claim: id(),
        made_from: Generation::ZERO,
        content,
        access_ends: None,
    };
    Answer { note, payload: Sealed::new(format!("line\nline {attempt}")) }
}

pub(crate) fn registration(since: u64) -> Registration {
    Registration {
        store: uuid::Uuid::new_v4(),
        seal_check: String::new(),
        since: StoreTime::from_micros(since),
        proof: String::new(),
    }
}

#[tokio::test]
async fn a_location_that_lost_everything_knows_nothing_until_it_is_registered_again() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    fixture.answers.register(&registration(7)).await.unwrap();
    fixture.answers.write(&alice, &answer(1, Content::Rotated(facts(1)))).await.unwrap();
    let _: i64 = fixture.ask("DEL", &key_of(&alice, "ans"), &[]).await;
    let _: i64 = fixture.ask("DEL", "identity", &[]).await;
    fixture.answers.newest(&alice).await.unwrap_err();

    let anew = registration(9);
    assert_eq!(fixture.answers.register(&anew).await.unwrap(), anew);
    let found = fixture.answers.newest(&alice).await.unwrap();
    assert_eq!((found.newest, found.kept_since), (None, anew.since));
}

#[tokio::test]
async fn answers_are_kept_for_a_week_after_the_last_and_the_registration_for_ever() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    fixture.answers.register(&registration(7)).await.unwrap();
    fixture.answers.write(&alice, &answer(1, Content::Deleted)).await.unwrap();
    let left: u64 = fixture.ask("PTTL", &key_of(&alice, "ans"), &[]).await;
    let left = Duration::from_millis(left);
    assert!(left <= KEEP_ANSWERS && left + Duration::from_secs(60) > KEEP_ANSWERS, "{left:?}");
    assert_eq!(fixture.ask::<i64>("PTTL", "identity", &[]).await, -1);
}

#[tokio::test]
async fn two_of_each_kind_are_kept() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    for attempt in [5, 900, 30, 4_000_000_000_000] {
        fixture.answers.write(&alice, &answer(attempt, Content::Rotated(facts(1)))).await.unwrap();
        fixture.answers.write(&alice, &answer(attempt + 1, Content::Unread)).await.unwrap();
    }
    let mut kept: Vec<String> = fixture.ask("HKEYS", &key_of(&alice, "ans"), &[]).await;
    kept.sort();
    let attempts: Vec<u64> = kept.iter().map(|name| name[..20].parse().unwrap()).collect();
    assert_eq!(attempts, [900, 901, 4_000_000_000_000, 4_000_000_000_001]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_doubt_and_not_absence() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    fixture.answers.register(&registration(7)).await.unwrap();
    let _: i64 = fixture.ask("HSET", &key_of(&alice, "ans"), &["00000000000000000009-x", "garbage"]).await;
    fixture.answers.newest(&alice).await.unwrap_err();
}

/// A server whose memory is full of answers, and which removes the oldest.
#[tokio::test]
async fn what_a_server_that_evicts_does_not_have_is_no_absence() {
    for (policy, evicts) in [("allkeys-lru", true), ("volatile-lru", true), ("noeviction", false)] {
        let server = RedisServer::builder()
            .setting("maxmemory", "8mb")
            .setting("maxmemory-policy", policy)
            .start()
            .await
            .unwrap();
        let link = RedisLink::connect(&server.url(), patient()).await.unwrap();
        let answers = RedisAnswers::new(link.clone(), "solekey").unwrap();
        let (alice, nobody) = (account("alice"), account("nobody"));
        answers.register(&registration(7)).await.unwrap();
        let written = answer(1, Content::Rotated(facts(1)));
        answers.write(&alice, &written).await.unwrap();
        let newest = answers.newest(&alice).await.unwrap().newest.unwrap();
        assert_eq!(newest.payload, written.payload, "what is there is believed");

        // To ask whether there is a key does not count as using it.
        let there = cmd("EXISTS").arg(format!("solekey:{}", key_of(&alice, "ans"))).clone();
        let mut lost = false;
        for number in 0..4_000 {
            let payload = Sealed::new(vec![b'x'; 64 * 1024]);
            let large = Answer { payload, ..answer(1, Content::Rotated(facts(1))) };
            let full = answers.write(&account(&number.to_string()), &large).await.is_err();
            lost = link.query::<i64>(&there).await.unwrap() == 0;
            if lost || full {
                break;
            }
        }
        assert_eq!(lost, evicts, "{policy}");
        let vouches = async |account| match answers.newest(account).await {
            Ok(found) => found.newest.is_some() || found.kept_since == StoreTime::from_micros(7),
            // The registration was evicted, too.
            Err(_) => false,
        };
        assert_eq!(vouches(&alice).await, !evicts, "{policy}");
        assert_eq!(vouches(&nobody).await, !evicts, "{policy}");
    }
}
