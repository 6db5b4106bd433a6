//! How long each key lives.

use std::collections::BTreeMap;

use solekey_core::{
    Content, KEEP_ANSWERS, Login,
    ports::{Answers, Store},
};
use solekey_redis_link::cmd;

use crate::{
    answers::{answer, registration},
    fixture::{Fixture, key_of},
    requests::{HOUR, account, claim, commit, facts, id, login, payload},
};

/// The milliseconds that each key under the prefix has left; -1 for ever.
async fn lives(fixture: &Fixture) -> BTreeMap<String, i64> {
    let mut lives = BTreeMap::new();
    for key in fixture.keys("").await {
        let left = fixture.link.query(cmd("PTTL").arg(&key)).await.unwrap();
        lives.insert(key[fixture.prefix.len() + 1..].to_owned(), left);
    }
    lives
}

#[tokio::test]
async fn rows_indexes_and_reservations_live_for_ever_and_answers_for_a_week() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    fixture.answers.register(&registration(7)).await.unwrap();
    fixture.store.identity().await.unwrap();
    fixture.store.pin("name", b"value").await.unwrap();
    fixture.store.repin("name", b"value", b"another").await.unwrap();
    fixture.store.login(&bob, &login(9), &payload()).await.unwrap();
    fixture.store.delete(&bob, id()).await.unwrap();
    let due_now = Login { due_in: Some(std::time::Duration::ZERO), ..login(1) };
    fixture.store.login(&alice, &due_now, &payload()).await.unwrap();
    assert_eq!(fixture.store.due("acme", HOUR, 10).await.unwrap(), std::slice::from_ref(&alice));
    let claimed = fixture.store.claim(&alice, &claim(&fixture.store.load(&alice).await.unwrap())).await;
    let commit = commit(&claimed.unwrap().record.unwrap().row, 2);
    fixture.store.commit(&alice, &commit, &payload()).await.unwrap();
    fixture.store.reseal(&alice, commit.note.claim, &payload()).await.unwrap();
    fixture.store.rebuild_index().await.unwrap();
    let written = answer(1, Content::Rotated(facts(1)));
    fixture.answers.write(&alice, &written).await.unwrap();

    let answers = key_of(&alice, "ans");
    let week = i64::try_from(KEEP_ANSWERS.as_millis()).unwrap();
    let lives_now = async || {
        let mut lives = lives(&fixture).await;
        let left = lives.remove(&answers).unwrap();
        assert!(left <= week && left > week - 60_000, "{left}");
        assert!(lives.values().all(|left| *left == -1), "{lives:?}");
        lives.into_keys().collect::<Vec<_>>()
    };
    let kinds = |keys: &[String]| {
        let kind = |key: &String| key.rsplit(':').next().unwrap().to_owned();
        let mut kinds: Vec<_> = keys.iter().filter(|key| !key.starts_with("rt:")).map(kind).collect();
        kinds.sort();
        kinds
    };
    let before = lives_now().await;
    assert_eq!(kinds(&before), ["accounts", "clock", "identity", "meta", "rec", "rec", "{822b33ad87c148a0}"]);
    assert!(before.iter().any(|key| key.starts_with("rt:")), "reservations last as long as their rows");

    // The life counts from the last answer, and neither another seal nor an erasure changes it.
    let short: i64 = fixture.ask("PEXPIRE", &answers, &["600000"]).await;
    assert_eq!(short, 1);
    fixture.answers.reseal(&alice, written.note.attempt, written.note.claim, &payload()).await.unwrap();
    let left: i64 = fixture.ask("PTTL", &answers, &[]).await;
    assert!(left <= 600_000, "{left}");
    fixture.answers.write(&alice, &answer(2, Content::Rotated(facts(2)))).await.unwrap();
    fixture.answers.erase(&alice, solekey_core::Generation::new(2)).await.unwrap();
    assert_eq!(lives_now().await, before);
}
