//! The row's four changes, against the executions that broke earlier rules.

use solekey_core::{
    AnswerNote, Commit, Content, Decision, Delay, Generation, Login, NewFacts, NewVerdict, PolicySettings,
    Refusal, Replay, Settle, Verdict, flight::next_check,
};

use crate::fixture::{
    claim_of, commit, facts, facts_of, id, open, overdue_row, policy, rotation, secs, store_at,
};

/// A6.
#[test]
fn a_settling_of_a_later_attempt_leaves_the_doubt_of_the_first() {
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

/// A21.
#[test]
fn an_attempt_is_in_flight_for_its_span_after_a_step_back_and_no_longer() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(7200));
    assert!(row.follow(store_at(secs(3600))), "the clock stepped back by an hour");
    let stepped = row.open.unwrap();
    assert_eq!(stepped.until, store_at(secs(3660)), "not less: its request may have just been sent");
    let claim = claim_of(&row, 51, Some(id(50)), secs(3659));
    assert_eq!(row.clone().claim(&claim, store_at(secs(3659))), Err(Refusal::Moved));
    assert!(!row.follow(store_at(secs(3661))), "the clock goes on");
    assert!(!row.open.unwrap().in_flight(store_at(secs(3661))));
}

/// A21.
#[test]
fn every_instant_of_a_row_follows_a_clock_that_stepped_back_and_none_one_that_is_a_little_behind() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(7200));
    let verdict =
        NewVerdict { decision: Decision::NotBefore { at: secs(30), why: Delay::RateLimited }, strikes: 1 };
    let settle = Settle { id: id(50), from: row.generation, verdict: Some(verdict), due_in: Some(secs(40)) };
    row.settle(&settle, store_at(secs(7200))).unwrap();
    let before = row.clone();
    assert!(!row.follow(store_at(secs(7200)) - std::time::Duration::from_millis(999)));
    assert_eq!(row, before);
    row.follow(store_at(secs(0)));
    let expected = Decision::NotBefore { at: store_at(secs(30)), why: Delay::RateLimited };
    assert_eq!(row.current_verdict().unwrap().decision, expected);
    assert_eq!(row.due_at, Some(store_at(secs(40))));
    let end = |row: &solekey_core::Row| row.facts.unwrap().expires_at.unwrap();
    assert_eq!(end(&row) + secs(7200), end(&before));
    assert_eq!((row.generation, row.minted), (before.generation, before.minted));
}

/// A6.
#[test]
fn a_settling_of_the_first_attempt_closes_it() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    row.settle(&Settle { id: id(50), from: row.generation, verdict: None, due_in: None }, store_at(secs(1)))
        .unwrap();
    assert_eq!(row.open, None);
}

/// A8.
#[test]
fn the_newer_of_two_answers_wins_and_the_older_is_refused() {
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
        assert_eq!(facts_of(&row).access, facts(3, None).access);
    }
}

/// A8.
#[test]
fn a_commit_over_another_attempt_keeps_that_attempts_until_as_a_not_before() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, None), store_at(secs(1)))
    };
    open(&mut row, 51, secs(60));
    row.commit(&commit(note), store_at(secs(61))).unwrap();
    let decision = Decision::NotBefore { at: store_at(secs(120)), why: Delay::InFlight };
    assert_eq!(row.current_verdict(), Some(Verdict { generation: note.attempt, decision, strikes: 0 }));
}

/// A9.
#[test]
fn a_late_answer_never_replaces_the_login_that_came_after_its_claim() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, None), store_at(secs(1)))
    };
    row.delete(id(80), store_at(secs(0)));
    assert_eq!(row.commit(&commit(note), store_at(secs(2))), Err(Refusal::Moved));
    let login = Login {
        id: id(81),
        facts: facts(5, None),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&login, false, store_at(secs(0))).unwrap();
    assert!(row.generation > note.attempt, "numbers never repeat, also over delete and re-creation");
    assert_eq!(row.commit(&commit(note), store_at(secs(2))), Err(Refusal::Moved));
    assert_eq!(facts_of(&row).access, facts(5, None).access);
}

fn amending(made_by: solekey_core::ClaimId, facts: solekey_core::NewFacts) -> Login {
    let amends = Some(made_by);
    Login { id: id(90), facts, accept_spent: true, accept_lesser: true, amends, due_in: None, as_of: None }
}

/// A23.
#[test]
fn an_amendment_keeps_the_verdict_and_is_refused_while_an_attempt_is_open() {
    let mut row = overdue_row();
    let newer = solekey_core::NewFacts { access: facts(7, None).access, ..facts(1, Some(secs(60))) };
    open(&mut row, 50, secs(0));
    for at in [secs(1), secs(600)] {
        let before = row.clone();
        assert_eq!(row.login(&amending(row.made_by, newer), false, store_at(at)), Err(Refusal::Moved));
        assert_eq!(row, before, "in flight or in doubt, the token may be spent");
    }
    let verdict =
        NewVerdict { decision: Decision::LogIn { why: solekey_core::Revocation::Refused }, strikes: 3 };
    let settle = Settle { id: id(50), from: row.generation, verdict: Some(verdict), due_in: None };
    row.settle(&settle, store_at(secs(2))).unwrap();
    let before = row.clone();
    for request in [amending(id(99), newer), amending(row.made_by, facts(2, None))] {
        assert_eq!(row.login(&request, false, store_at(secs(3))), Err(Refusal::Moved));
        assert_eq!(row, before, "another credential, or another token");
    }
    let request = amending(row.made_by, newer);
    row.login(&request, true, store_at(secs(3))).unwrap();
    assert!(row.generation > before.minted);
    let stands = row.current_verdict().expect("the token was refused, whatever stands next to it");
    assert_eq!(
        (stands.decision, stands.strikes),
        (Decision::LogIn { why: solekey_core::Revocation::Refused }, 3)
    );
    assert_eq!((facts_of(&row).access, &row.presented), (newer.access, &before.presented));
    let after = row.clone();
    row.login(&request, false, store_at(secs(9))).unwrap();
    assert_eq!(row, after, "repeating it changes nothing");
}

#[test]
fn an_access_token_alone_replaces_no_pair() {
    let mut row = overdue_row();
    let bare = solekey_core::NewFacts { refresh: None, ..facts(1, None) };
    let login = |accept_spent, accept_lesser| Login {
        id: id(90),
        facts: bare,
        accept_spent,
        accept_lesser,
        amends: None,
        due_in: None,
        as_of: None,
    };
    let before = row.clone();
    for accept_spent in [false, true] {
        assert_eq!(row.login(&login(accept_spent, false), false, store_at(secs(1))), Err(Refusal::Lesser));
        assert_eq!(row, before);
    }
    row.login(&login(false, true), false, store_at(secs(1))).unwrap();
    assert_eq!(facts_of(&row).refresh, None);
}

/// A13.
#[test]
fn an_attempt_is_due_when_its_until_comes() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    assert_eq!(row.due_at, Some(store_at(secs(60))));
}

/// A13.
#[test]
fn a_committed_pair_is_due_when_refreshing_starts_or_at_half_of_its_idle_limit() {
    let policy = policy(Replay::STRICT_FAMILY);
    let days = secs(864_000);
    let mut pair = facts(2, Some(days));
    assert_eq!(next_check(&policy, &pair, 0), Some(secs(864_000 - 600)));
    pair.refresh_expires_in = Some(days);
    assert_eq!(next_check(&policy, &pair, 0), Some(days / 2));
    pair.refresh = None;
    assert_eq!(next_check(&policy, &pair, 0), None);
}

#[test]
fn an_idle_refresh_token_is_checked_at_half_of_the_life_its_provider_gives_it() {
    let days = secs(864_000);
    let settings = PolicySettings { refresh_life: Some(days), ..PolicySettings::default() };
    let policy = settings.build().unwrap();
    let mut pair = facts(2, Some(4 * days));
    assert_eq!(next_check(&policy, &pair, 0), Some(days / 2));
    pair.refresh_expires_in = Some(2 * days);
    assert_eq!(next_check(&policy, &pair, 0), Some(days), "the lifetime in the answer counts for more");
    let unsaid = PolicySettings { assumed_lifetime: secs(7200), ..settings }.build().unwrap();
    assert_eq!(next_check(&unsaid, &facts(2, None), 0), Some(secs(7200 - 600)));
}

/// A15.
#[test]
fn a_delete_leaves_a_tombstone_that_only_a_login_lifts() {
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
fn a_token_that_was_only_held_when_its_account_was_deleted_may_come_back_by_a_login() {
    let mut row = overdue_row();
    let held = row.facts.expect("a credential");
    row.delete(id(80), store_at(secs(0)));
    assert_eq!((row.left, row.presented.len()), (held.refresh, 0));
    let kept = NewFacts { refresh: held.refresh, ..facts(9, None) };
    let again = Login {
        id: id(81),
        facts: kept,
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&again, false, store_at(secs(1))).expect("a login");

    open(&mut row, 50, secs(2));
    row.delete(id(82), store_at(secs(3)));
    assert_eq!((row.left, &*row.presented), (None, &[held.refresh.expect("a token")][..]));
    let again = Login { id: id(83), ..again };
    assert_eq!(row.login(&again, false, store_at(secs(4))), Err(Refusal::AlreadyPresented));
}

#[test]
fn a_token_that_a_login_replaced_or_followed_is_remembered_although_it_was_only_held() {
    let mut row = overdue_row();
    let held = row.facts.and_then(|facts| facts.refresh).expect("a token");
    let login = |n| Login {
        id: id(n),
        facts: facts(9, None),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    let mut deleted = row.clone();
    row.login(&login(81), false, store_at(secs(1))).expect("a login");
    assert_eq!(row.presented, [held]);
    deleted.delete(id(80), store_at(secs(0)));
    deleted.login(&login(81), false, store_at(secs(1))).expect("a login");
    assert_eq!((deleted.left, &*deleted.presented), (None, &[held][..]));
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
    let decision = Decision::NotBefore { at: secs(120), why: Delay::RateLimited };
    let verdict = Some(NewVerdict { decision, strikes: 1 });
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
    let pair = AnswerNote { claim: id(51), content: Content::Rotated(facts(3, None)), ..note };
    assert_eq!(row.commit(&commit(pair), store_at(secs(2))), Err(Refusal::Moved));
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
        let check = next_check(&policy, &known, account.key().spread()).expect("there is a refresh token");
        *seconds.entry(check.as_secs()).or_default() += 1;
    }
    assert!(seconds.len() >= 60, "{seconds:?}");
    assert!(seconds.values().all(|together| *together < 300), "{seconds:?}");
}
