//! The row's four changes, against the executions that broke earlier rules.

use solekey_core::{
    AnswerNote, Commit, Content, Delay, Generation, Login, NewVerdict, PolicySettings, Refusal, Replay,
    Ruling, Settle, Verdict, flight::next_look,
};

use crate::fixture::{
    claim_of, commit, facts, held, id, open, overdue_row, policy, rotation, secs, store_at,
};

#[test]
fn a06_a_settling_of_a_later_attempt_leaves_the_doubt_of_the_first() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let first = row.open.unwrap();
    open(&mut row, 51, secs(60));
    let settle = Settle { id: id(51), from: row.generation, verdict: None, due_in: None };
    row.settle(&settle, store_at(secs(61))).unwrap();
    let left = row.open.expect("the first attempt may have been processed");
    assert_eq!((left.first.attempt, left.first.at), (first.attempt, store_at(secs(0))));
    assert!(!left.in_flight(store_at(secs(61))), "its request was never sent");

    let plain = claim_of(&row, 52, None, secs(62));
    assert_eq!(row.claim(&plain, store_at(secs(62))), Err(Refusal::Moved));
}

#[test]
fn a06_a_settling_of_the_first_attempt_closes_it() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    row.settle(&Settle { id: id(50), from: row.generation, verdict: None, due_in: None }, store_at(secs(1)))
        .unwrap();
    assert_eq!(row.open, None);
}

#[test]
fn a08_the_newer_of_two_answers_wins_and_the_older_is_refused() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let older = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, None), store_at(secs(1)))
    };
    open(&mut row, 51, secs(60));
    let newer = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 51, facts(3, None), store_at(secs(61)))
    };
    for order in [[older, newer], [newer, older]] {
        let mut row = row.clone();
        for note in order {
            let seen = row.open.map(|open| open.id);
            let _ = row.commit(&solekey_core::Commit { seen, ..commit(note) }, store_at(secs(62)));
        }
        assert_eq!(row.generation, newer.attempt);
        assert_eq!(held(&row).access, facts(3, None).access);
    }
}

#[test]
fn a08_a_commit_over_another_attempt_keeps_that_attempts_until_as_a_not_before() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, None), store_at(secs(1)))
    };
    open(&mut row, 51, secs(60));
    row.commit(&commit(note), store_at(secs(61))).unwrap();
    let ruling = Ruling::NotBefore { at: store_at(secs(120)), why: Delay::InFlight };
    assert_eq!(row.current_verdict(), Some(Verdict { generation: note.attempt, ruling, strikes: 0 }));
}

#[test]
fn a09_a_late_answer_never_replaces_the_login_that_came_after_its_claim() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, None), store_at(secs(1)))
    };
    row.delete(id(80), store_at(secs(0)));
    assert_eq!(row.commit(&commit(note), store_at(secs(2))), Err(Refusal::Moved));
    let login = Login { id: id(81), facts: facts(5, None), accept_spent: false, due_in: None, as_of: None };
    row.login(&login, false, store_at(secs(0))).unwrap();
    assert!(row.generation > note.attempt, "numbers never repeat, also over delete and re-creation");
    assert_eq!(row.commit(&commit(note), store_at(secs(2))), Err(Refusal::Moved));
    assert_eq!(held(&row).access, facts(5, None).access);
}

#[test]
fn a13_an_attempt_is_due_when_its_until_comes() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    assert_eq!(row.due_at, Some(store_at(secs(60))));
}

#[test]
fn a13_a_committed_pair_is_due_when_refreshing_starts_or_at_half_of_its_idle_limit() {
    let policy = policy(Replay::STRICT_FAMILY);
    let days = secs(864_000);
    let mut pair = facts(2, Some(days));
    assert_eq!(next_look(&policy, &pair, 0), Some(secs(864_000 - 600)));
    pair.refresh_expires_in = Some(days);
    assert_eq!(next_look(&policy, &pair, 0), Some(days / 2));
    pair.refresh = None;
    assert_eq!(next_look(&policy, &pair, 0), None);
}

#[test]
fn an_idle_refresh_token_is_looked_at_at_half_of_what_its_provider_gives_it() {
    let days = secs(864_000);
    let settings = PolicySettings { refresh_life: Some(days), ..PolicySettings::default() };
    let policy = settings.build().unwrap();
    let mut pair = facts(2, Some(4 * days));
    assert_eq!(next_look(&policy, &pair, 0), Some(days / 2));
    pair.refresh_expires_in = Some(2 * days);
    assert_eq!(next_look(&policy, &pair, 0), Some(days), "what the answer said counts for more");
    let unsaid = PolicySettings { assumed_lifetime: secs(7200), ..settings }.build().unwrap();
    assert_eq!(next_look(&unsaid, &facts(2, None), 0), Some(secs(7200 - 600)));
}

#[test]
fn a15_a_delete_leaves_a_tombstone_that_only_a_login_lifts() {
    let mut row = overdue_row();
    let before = row.generation;
    row.delete(id(80), store_at(secs(0)));
    assert!(row.is_gone() && row.generation > before);
    let tombstone = row.clone();
    row.delete(id(81), store_at(secs(5)));
    assert_eq!(row, tombstone, "a tombstone stays as it is");
    let note = AnswerNote {
        attempt: before,
        claim: id(50),
        made_from: before,
        content: Content::Rotated(facts(2, None)),
        access_ends: None,
    };
    assert_eq!(row.commit(&commit(note), store_at(secs(6))), Err(Refusal::Moved));
}

#[test]
fn a_claim_over_an_attempt_in_flight_is_refused_although_it_was_seen() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let before = row.clone();
    let claim = claim_of(&row, 51, Some(id(50)), secs(59));
    assert_eq!(row.claim(&claim, store_at(secs(59))), Err(Refusal::Moved));
    assert_eq!(row, before);
    open(&mut row, 52, secs(60));
}

#[test]
fn a_settling_ends_only_the_attempt_it_names() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let before = row.clone();
    let other = Settle { id: id(49), from: row.generation, verdict: None, due_in: None };
    assert_eq!(row.settle(&other, store_at(secs(1))), Err(Refusal::Moved));
    assert_eq!(row, before);
}

#[test]
fn a_doubt_left_by_a_further_attempt_lasts_as_long_as_its_verdict() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    open(&mut row, 51, secs(60));
    let ruling = Ruling::NotBefore { at: secs(120), why: Delay::RateLimited };
    let verdict = Some(NewVerdict { ruling, strikes: 1 });
    let settle = Settle { id: id(51), from: row.generation, verdict, due_in: None };
    row.settle(&settle, store_at(secs(61))).unwrap();
    assert_eq!(row.open.unwrap().until, store_at(secs(181)));
}

#[test]
fn of_two_answers_with_one_number_the_first_stays() {
    let mut row = overdue_row();
    let note = rotation(&row, 50, facts(2, None), store_at(secs(1)));
    row.commit(&commit(note), store_at(secs(1))).unwrap();
    let before = row.clone();
    let twin = AnswerNote { claim: id(51), content: Content::Rotated(facts(3, None)), ..note };
    assert_eq!(row.commit(&commit(twin), store_at(secs(2))), Err(Refusal::Moved));
    assert_eq!(row, before);
}

#[test]
fn an_answer_made_from_another_generation_has_to_know_the_attempt_that_is_open() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = AnswerNote {
        made_from: Generation::new(row.generation.get() - 1),
        ..rotation(&row, 49, facts(2, None), store_at(secs(1)))
    };
    let before = row.clone();
    assert_eq!(row.commit(&commit(note), store_at(secs(1))), Err(Refusal::Moved));
    assert_eq!(row, before);
    row.commit(&Commit { seen: Some(id(50)), ..commit(note) }, store_at(secs(1))).unwrap();
}

#[test]
fn another_seal_is_for_the_credential_that_was_opened_and_no_other() {
    let mut row = overdue_row();
    let before = row.made_by;
    assert_eq!(row.reseal(before), Ok(()));
    open(&mut row, 50, secs(0));
    assert_eq!(row.reseal(before), Ok(()), "an open attempt has brought nothing yet");
    let attempt = row.open.unwrap().attempt;
    let note = AnswerNote { attempt, ..rotation(&row, 50, facts(2, None), store_at(secs(1))) };
    row.commit(&commit(note), store_at(secs(2))).unwrap();
    assert_eq!(row.reseal(before), Err(Refusal::Moved));
    assert_eq!(row.reseal(row.made_by), Ok(()));
    row.delete(id(60), store_at(secs(3)));
    assert_eq!(row.reseal(row.made_by), Err(Refusal::Moved), "a tombstone has no payload");
}

#[test]
fn ten_thousand_accounts_imported_together_come_due_over_a_minute() {
    let policy = policy(Replay::STRICT_FAMILY);
    let known = facts(1, Some(secs(3600)));
    let mut seconds = std::collections::BTreeMap::<u64, usize>::new();
    for number in 0..10_000 {
        let account = solekey_core::Account::new("acme", &format!("account-{number}")).expect("a name");
        let look = next_look(&policy, &known, account.key().spread()).expect("there is a refresh token");
        *seconds.entry(look.as_secs()).or_default() += 1;
    }
    assert!(seconds.len() >= 60, "{seconds:?}");
    assert!(seconds.values().all(|together| *together < 300), "{seconds:?}");
}
