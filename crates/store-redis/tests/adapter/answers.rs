//! What is particular to answers in Redis.

use std::time::Duration;

use solekey_core::{
    Answer, AnswerNote, Content, Generation, KEEP_ANSWERS, Sealed, StoreTime,
    ports::{Answers, Enrolment},
};

use crate::{
    fixture::{Fixture, key_of},
    wishes::{account, facts, id},
};

fn answer(attempt: u64, content: Content) -> Answer {
    let note = AnswerNote {
        attempt: Generation::new(attempt),
        claim: id(),
        made_from: Generation::ZERO,
        content,
        access_ends: None,
    };
    Answer { note, payload: Sealed::new(format!("line\nline {attempt}")) }
}

fn enrolment(since: u64) -> Enrolment {
    Enrolment { store: uuid::Uuid::new_v4(), seal_check: String::new(), since: StoreTime::from_micros(since) }
}

#[tokio::test]
async fn a_place_that_lost_everything_knows_nothing_until_it_is_enrolled_anew() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    fixture.answers.enrol(&enrolment(7)).await.unwrap();
    fixture.answers.write(&alice, &answer(1, Content::Rotated(facts(1)))).await.unwrap();
    let _: i64 = fixture.ask("DEL", &key_of(&alice, "ans"), &[]).await;
    let _: i64 = fixture.ask("DEL", "identity", &[]).await;
    fixture.answers.newest(&alice).await.unwrap_err();

    let anew = enrolment(9);
    assert_eq!(fixture.answers.enrol(&anew).await.unwrap(), anew);
    let found = fixture.answers.newest(&alice).await.unwrap();
    assert_eq!((found.newest, found.kept_since), (None, anew.since));
}

#[tokio::test]
async fn answers_are_kept_for_a_week_after_the_last_and_the_enrolment_for_ever() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    fixture.answers.enrol(&enrolment(7)).await.unwrap();
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
        fixture.answers.write(&alice, &answer(attempt + 1, Content::Unusable)).await.unwrap();
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
    fixture.answers.enrol(&enrolment(7)).await.unwrap();
    let _: i64 = fixture.ask("HSET", &key_of(&alice, "ans"), &["00000000000000000009-x", "garbage"]).await;
    fixture.answers.newest(&alice).await.unwrap_err();
}
