//! Three processes, three rotations, three crashes, at every moment and in every order; two of each for the classes of
//! providers that forgive more.
//!
//! `SOLEKEY_TEST_CRASHES` sets the number of crashes at a provider that refuses a spent token and revokes nothing, which
//! has as many states as one that revokes.

use solekey_sim::explore::{Left, Rule, Scene, explore};

/// A world this small has lost something that can happen in it.
const FLOOR: usize = 100_000;

fn three_of_each(rule: Rule, crashes: u8) -> Scene {
    let left = Left { crashes, ..Left::NONE };
    // From one state in 64 a healed run has to end well; the small worlds heal more of theirs.
    Scene { workers: 3, rotations: 3, left, healed: 64, cap: 60_000_000, ..Scene::new(rule) }
}

fn two_of_each(rule: Rule) -> Scene {
    let left = Left { crashes: 2, ..Left::NONE };
    Scene { rotations: 2, left, cap: 5_000_000, ..Scene::new(rule) }
}

#[test]
fn a_family_outlives_three_crashes_in_three_rotations_of_three_processes() {
    let scene = three_of_each(Rule::StrictFamily, 3);
    assert!(explore("strict_family: 3 processes, 3 rotations, 3 crashes", &scene) > FLOOR);
}

#[test]
fn a_strict_grant_outlives_crashes_in_three_rotations_of_three_processes() {
    let crashes =
        std::env::var("SOLEKEY_TEST_CRASHES").map_or(3, |count| count.parse().expect("a number of crashes"));
    let name = format!("strict: 3 processes, 3 rotations, {crashes} crashes");
    assert!(explore(&name, &three_of_each(Rule::Strict, crashes)) > FLOOR);
}

#[test]
fn a_grant_with_grace_outlives_two_crashes_in_two_rotations() {
    let scene = Scene { memory: 12, ..two_of_each(Rule::Grace(8)) };
    assert!(explore("grace: 2 processes, 2 rotations, 2 crashes", &scene) > FLOOR);
}

#[test]
fn a_grant_accepted_until_its_successor_is_used_outlives_two_crashes_in_two_rotations() {
    assert!(
        explore("until_used: 2 processes, 2 rotations, 2 crashes", &two_of_each(Rule::UntilUsed)) > FLOOR
    );
}

/// `non_rotating`, `old_stays_valid` and `timer` are one rule: a token may be presented again for ever.
#[test]
fn a_grant_whose_tokens_are_never_spent_outlives_two_crashes_in_two_rotations() {
    assert!(
        explore("non_rotating: 2 processes, 2 rotations, 2 crashes", &two_of_each(Rule::NonRotating)) > FLOOR
    );
}
