//! The worlds that are explored: each takes a few of the things that can go wrong, at every moment they can.

use solekey_sim::explore::{Asks, Lease, Left, Rule, Scene, explore};

const NOTHING: Left = Left::NONE;

/// A world this small has lost something that can happen in it.
const FLOOR: usize = 1_000;

fn visit(name: &str, scene: &Scene) {
    assert!(explore(name, scene) > FLOOR, "{name}: hardly a world");
}

/// Explores a world of `rule` in which `left` may happen.
fn world(name: &str, rule: Rule, left: Left) {
    visit(name, &Scene { left, ..Scene::new(rule) });
}

/// The same for a world of one process, in which life is long and little goes wrong.
fn long_world(name: &str, scene: Scene) {
    let scene = Scene { workers: 1, asks: Asks::Ahead, ..scene };
    assert!(explore(name, &scene) > 50, "{name}: hardly a world");
}

/// The same for a large world: from every eighth state a healed run has to end well.
fn large_world(name: &str, scene: Scene) {
    visit(name, &Scene { healed: 8, cap: 10_000_000, ..scene });
}

#[test]
fn a_family_outlives_a_crash_and_a_lost_answer() {
    let left = Left { crashes: 1, lost_answers: 1, ..NOTHING };
    world("strict_family: crash, lost answer", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_two_crashes() {
    let left = Left { crashes: 2, ..NOTHING };
    world("strict_family: two crashes", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_lost_request_and_refusals() {
    let left = Left { lost_requests: 1, lost_answers: 1, refusals: 1, ..NOTHING };
    world("strict_family: lost request, lost answer, refusal", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_an_attempt_that_could_not_be_sent_after_one_that_was() {
    let left = Left { crashes: 1, unsent: 1, ..NOTHING };
    world("strict_family: crash, nothing sent", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_an_outage_of_store_and_answers() {
    let left = Left { store_outages: 1, answer_outages: 1, ..NOTHING };
    world("strict_family: both outages", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_an_outage_that_falls_between_two_checks() {
    let left = Left { stalls: 1, store_outages: 1, answer_outages: 1, ..NOTHING };
    let scene = Scene { left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: both outages, a process stopped for a second", scene);
}

#[test]
fn a_family_outlives_a_crash_during_an_outage_of_the_answers() {
    let left = Left { answer_outages: 1, crashes: 1, ..NOTHING };
    world("strict_family: answers away, crash", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_answers_that_are_lost_at_any_moment() {
    let left = Left { answers_lost: 1, crashes: 1, store_outages: 1, ..NOTHING };
    let scene = Scene { left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: crash, answers gone, outage of the store", scene);
}

#[test]
fn a_strict_grant_outlives_answers_that_are_lost_at_any_moment() {
    let left = Left { answers_lost: 1, crashes: 1, lost_answers: 1, ..NOTHING };
    let scene = Scene { left, ..Scene::new(Rule::Strict) };
    large_world("strict: crash, lost answer, answers gone", scene);
}

#[test]
fn a_family_outlives_a_crash_during_an_outage_of_the_store() {
    let left = Left { store_outages: 1, crashes: 1, ..NOTHING };
    world("strict_family: store away, crash", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_replies_that_are_lost() {
    let left = Left { failures: 2, ..NOTHING };
    world("strict_family: two failures", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_claim_that_hangs_and_is_executed_later() {
    let left = Left { hangs: 1, failures: 1, ..NOTHING };
    world("strict_family: hung claim", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_process_that_is_stopped_for_longer_than_its_attempt() {
    let left = Left { pauses: 5, ..NOTHING };
    world("strict_family: stopped after the claim", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_process_that_is_stopped_anywhere() {
    let left = Left { stalls: 3, ..NOTHING };
    world("strict_family: stopped anywhere", Rule::StrictFamily, left);
}

#[test]
fn a_family_with_life_left_is_not_risked() {
    let left = Left { crashes: 1, lost_answers: 1, ..NOTHING };
    let scene = Scene {
        first_life: 20,
        first_left: 4,
        memory: 24,
        asks: Asks::Ahead,
        left,
        ..Scene::new(Rule::StrictFamily)
    };
    large_world("strict_family: refreshed ahead", scene);
}

#[test]
fn a_family_outlives_flights_that_wait_for_others() {
    let left = Left { crashes: 1, stalls: 1, ..NOTHING };
    let scene = Scene { patience: 3, left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: patient flights", scene);
}

#[test]
fn a_family_outlives_a_lease_that_is_granted_to_several_at_once_and_withheld_from_all() {
    let left = Left { crashes: 1, lost_answers: 1, ..NOTHING };
    let scene = Scene { lease: Lease::Lies, left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: a lease that lies", scene);
}

#[test]
fn a_family_outlives_rejections_of_its_access_tokens() {
    let left = Left { rejections: 2, lost_answers: 1, ..NOTHING };
    world("strict_family: rejections", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_an_operator_who_refreshes_now() {
    let left = Left { operators: 1, lost_answers: 1, crashes: 1, ..NOTHING };
    world("strict_family: operator", Rule::StrictFamily, left);
}

#[test]
fn a_login_always_wins() {
    let left = Left { logins: 1, crashes: 1, ..NOTHING };
    world("strict_family: login", Rule::StrictFamily, left);
}

/// A23.
#[test]
fn an_amendment_saves_no_refresh_token_and_uses_none_up() {
    let left = Left { amendments: 1, crashes: 1, refusals: 1, ..NOTHING };
    world("strict_family: amendment", Rule::StrictFamily, left);
}

#[test]
fn a_deleted_account_never_comes_back_unless_by_a_login() {
    let left = Left { logins: 1, deletes: 1, ..NOTHING };
    world("strict_family: login, delete", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_step_of_the_stores_clock() {
    let left = Left { steps_forward: 1, crashes: 1, lost_answers: 1, ..NOTHING };
    world("strict_family: clock stepped forward", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_step_back_of_the_stores_clock() {
    let left = Left { steps_back: 1, crashes: 1, ..NOTHING };
    world("strict_family: clock stepped back", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_store_that_went_back() {
    let left = Left { went_back: 1, crashes: 1, ..NOTHING };
    world("strict_family: store went back", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_a_store_that_forgets_everything_while_a_request_is_under_way() {
    let left = Left { forgets: 1, ..NOTHING };
    world("strict_family: store forgets", Rule::StrictFamily, left);
    let left = Left { forgets: 1, crashes: 1, ..NOTHING };
    world("strict_family: store forgets, crash", Rule::StrictFamily, left);
}

#[test]
fn a_strict_grant_and_one_with_grace_outlive_a_store_that_forgets_everything() {
    let left = Left { forgets: 1, crashes: 1, ..NOTHING };
    world("strict: store forgets, crash", Rule::Strict, left);
    world("grace: store forgets, crash", Rule::Grace(8), left);
}

#[test]
fn a_login_outlives_a_store_that_went_back() {
    let left = Left { went_back: 1, logins: 1, ..NOTHING };
    let scene = Scene { left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: store went back over a login", scene);
}

#[test]
fn a_delete_outlives_a_store_that_went_back() {
    let left = Left { went_back: 1, deletes: 1, ..NOTHING };
    world("strict_family: store went back over a delete", Rule::StrictFamily, left);
}

#[test]
fn a_strict_grant_outlives_crashes_and_losses() {
    let left = Left { crashes: 1, lost_answers: 1, refusals: 1, ..NOTHING };
    world("strict: crash, lost answer, refusal", Rule::Strict, left);
}

#[test]
fn a_strict_grant_outlives_an_outage_of_store_and_answers() {
    let left = Left { store_outages: 1, answer_outages: 1, ..NOTHING };
    world("strict: both outages", Rule::Strict, left);
}

#[test]
fn a_grant_with_grace_outlives_crashes_and_losses() {
    let left = Left { crashes: 1, lost_answers: 1, refusals: 1, ..NOTHING };
    world("grace: crash, lost answer, refusal", Rule::Grace(8), left);
}

#[test]
fn a_grant_with_grace_outlives_an_outage_of_the_answers_and_a_rejection() {
    let left = Left { crashes: 1, answer_outages: 1, rejections: 1, ..NOTHING };
    large_world("grace: crash, answers away, rejection", Scene { left, ..Scene::new(Rule::Grace(6)) });
}

#[test]
fn a_grant_accepted_until_its_successor_is_used_outlives_crashes_and_losses() {
    let left = Left { crashes: 1, lost_answers: 1, rejections: 1, ..NOTHING };
    world("until_used: crash, lost answer, rejection", Rule::UntilUsed, left);
}

#[test]
fn a_grant_accepted_until_its_successor_is_used_outlives_outages() {
    let left = Left { store_outages: 1, answer_outages: 1, ..NOTHING };
    world("until_used: both outages", Rule::UntilUsed, left);
}

#[test]
fn a_grant_that_does_not_rotate_outlives_everything() {
    let left = Left { crashes: 1, lost_answers: 1, refusals: 1, ..NOTHING };
    world("non_rotating: crash, lost answer, refusal", Rule::NonRotating, left);
}

#[test]
fn a_grant_that_does_not_rotate_outlives_outages() {
    let left = Left { store_outages: 1, answer_outages: 1, ..NOTHING };
    world("non_rotating: both outages", Rule::NonRotating, left);
}

#[test]
fn a_family_whose_access_token_lives_on_is_not_risked() {
    let left = Left { lost_answers: 1, lost_requests: 1, ..NOTHING };
    let scene = Scene { first_life: 60, first_left: 10, memory: 24, left, ..Scene::new(Rule::StrictFamily) };
    long_world("strict_family: life left", scene);
}

#[test]
fn a_grant_with_grace_whose_access_token_lives_on_is_not_risked_after_its_window() {
    let left = Left { lost_answers: 1, lost_requests: 1, ..NOTHING };
    let scene = Scene { first_life: 60, first_left: 10, memory: 24, left, ..Scene::new(Rule::Grace(5)) };
    long_world("grace: life left", scene);
}

#[test]
fn a_doubt_about_a_rejected_token_is_resolved_although_the_token_would_live_on() {
    let left = Left { lost_answers: 1, rejections: 1, ..NOTHING };
    let scene = Scene { first_life: 100, first_left: 60, memory: 24, left, ..Scene::new(Rule::StrictFamily) };
    long_world("strict_family: rejected, life left", scene);
}

#[test]
fn a_doubt_does_not_outlast_half_of_the_refresh_tokens_life() {
    let left = Left { lost_answers: 1, ..NOTHING };
    let scene = Scene {
        first_life: 240,
        first_left: 60,
        life: 20,
        refresh_life: Some(30),
        memory: 40,
        left,
        ..Scene::new(Rule::StrictFamily)
    };
    long_world("strict_family: refresh token ends", scene);
}

#[test]
fn a_family_outlives_answers_that_flicker_while_its_owner_cannot_reach_the_store() {
    let left = Left { cut_offs: 1, answer_outages: 2, ..NOTHING };
    let scene = Scene { left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: owner cut off, answers flicker", scene);
}

#[test]
fn a_family_outlives_answers_that_are_lost_while_their_owner_cannot_reach_the_store() {
    let left = Left { cut_offs: 1, answers_lost: 1, ..NOTHING };
    let scene = Scene { left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: owner cut off, answers gone", scene);
}

#[test]
fn a_strict_grant_outlives_an_owner_that_was_cut_off_and_an_answer_that_is_lost() {
    let left = Left { islands: 1, answers_lost: 1, ..NOTHING };
    let scene = Scene { left, ..Scene::new(Rule::Strict) };
    large_world("strict: owner on an island, answers gone", scene);
}

#[test]
fn a_family_outlives_an_owner_without_a_store_while_other_flights_wait_for_long() {
    let left = Left { cut_offs: 1, ..NOTHING };
    let scene = Scene { patience: 9, left, ..Scene::new(Rule::StrictFamily) };
    large_world("strict_family: owner cut off, very patient flights", scene);
}

#[test]
fn a_family_outlives_an_answer_that_comes_late() {
    let left = Left { late_answers: 1, ..NOTHING };
    world("strict_family: late answer", Rule::StrictFamily, left);
}

#[test]
fn a_family_outlives_an_answer_that_comes_late_and_a_crash() {
    let left = Left { late_answers: 1, crashes: 1, ..NOTHING };
    large_world("strict_family: late answer, crash", Scene { left, ..Scene::new(Rule::StrictFamily) });
}

#[test]
fn a_strict_grant_outlives_an_answer_that_comes_late_and_one_that_is_lost() {
    let left = Left { late_answers: 1, lost_answers: 1, ..NOTHING };
    large_world("strict: late answer, lost answer", Scene { left, ..Scene::new(Rule::Strict) });
}

#[test]
fn a_process_that_reads_on_never_risks_its_own_pair() {
    let left = Left { late_answers: 1, lost_answers: 1, ..NOTHING };
    let scene = Scene { memory: 24, left, ..Scene::new(Rule::StrictFamily) };
    long_world("strict_family: late answer in the only process", scene);
}

#[test]
fn nobody_presents_after_an_answer_that_was_not_understood_whoever_dies() {
    for (name, rule) in
        [("strict_family", Rule::StrictFamily), ("strict", Rule::Strict), ("grace", Rule::Grace(5))]
    {
        let left = Left { unread: 1, crashes: 1, ..NOTHING };
        world(&format!("{name}: unread answer, crash"), rule, left);
    }
}

#[test]
fn nobody_presents_after_an_answer_that_was_not_understood_whatever_is_away() {
    let left = Left { unread: 1, failures: 1, ..NOTHING };
    world("strict_family: unread answer, failure", Rule::StrictFamily, left);
    for left in [Left { store_outages: 1, ..NOTHING }, Left { answer_outages: 1, ..NOTHING }] {
        let scene = Scene { left: Left { unread: 1, ..left }, ..Scene::new(Rule::StrictFamily) };
        large_world("strict_family: unread answer, outage", scene);
    }
}

#[test]
fn an_answer_that_was_not_understood_stops_neither_a_login_nor_a_person() {
    let left = Left { unread: 1, logins: 1, operators: 1, ..NOTHING };
    world("strict_family: unread answer, login, person", Rule::StrictFamily, left);
}

#[test]
fn where_nothing_is_lost_an_answer_that_was_not_understood_is_a_doubt_that_ends() {
    for (name, rule) in [("non_rotating", Rule::NonRotating), ("until_used", Rule::UntilUsed)] {
        let left = Left { unread: 1, crashes: 1, ..NOTHING };
        world(&format!("{name}: unread answer, crash"), rule, left);
    }
}
