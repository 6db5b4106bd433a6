//! The cases that every store passes.

mod bench;
mod claim;
mod commit;
mod delete;
mod due;
mod format;
mod list;
mod load;
mod login;
mod races;
mod reseal;
mod settle;

use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;
use solekey_core::{Account, ports::Store};

use solekey_testkit::memory::MemoryStore;

use crate::{
    Report, Subject,
    case::{self, Case, cases},
};

/// Writes what the port cannot: a row as a newer version would leave it.
#[async_trait]
pub trait Foreign: Send + Sync + 'static {
    /// Gives the account's row this format number and leaves everything else as it is. The number may be this
    /// version's own: the row is back then.
    async fn set_format(&self, account: &Account, format: u16);
}

#[async_trait]
impl Foreign for MemoryStore {
    async fn set_format(&self, account: &Account, format: u16) {
        MemoryStore::set_format(self, account, format);
    }
}

/// A store to run the list over: the port, and the hand of a newer version.
pub struct StoreSubject {
    store: Subject<dyn Store>,
    foreign: Arc<dyn Foreign>,
}

impl StoreSubject {
    /// A fresh, empty store.
    pub fn new(store: Arc<dyn Store>, foreign: Arc<dyn Foreign>) -> Self {
        Self { store: Subject::new(store), foreign }
    }

    /// Keeps something alive until the case is over: a server, a folder.
    pub fn keeping(self, keep: impl Any + Send + Sync) -> Self {
        Self { store: self.store.keeping(keep), ..self }
    }
}

impl fmt::Debug for StoreSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSubject").finish_non_exhaustive()
    }
}

/// The list.
pub const CASES: &[Case<StoreSubject>] = cases! { StoreSubject =>
    load: [
        an_unknown_account_loads_as_nothing,
        a_payload_comes_back_byte_by_byte,
        the_identity_is_stable_and_its_time_grows,
        the_first_writer_of_a_pin_wins,
        a_pin_moves_for_whoever_has_seen_it,
        names_are_compared_byte_by_byte,
    ],
    claim: [
        mints_above_fence_clock_and_last_mint,
        opens_an_attempt_and_remembers_the_token,
        repeated_changes_nothing_even_when_late,
        is_refused_when_late,
        is_refused_over_an_answer_that_was_not_understood_but_for_a_person,
        is_refused_from_another_generation,
        is_refused_while_an_attempt_is_in_flight,
        is_refused_for_a_tombstone_and_for_nothing,
        in_doubt_needs_to_have_seen_the_attempt,
        in_doubt_keeps_the_first_attempt,
    ],
    commit: [
        puts_the_answer_into_the_row,
        repeated_changes_nothing,
        of_an_older_attempt_is_refused,
        fits_the_generation_or_the_attempt_seen,
        past_another_attempt_in_flight_leaves_its_end_as_verdict,
        clears_a_verdict,
        keeps_the_evidence_until_a_login,
        does_not_add_its_own_time_to_a_tokens_life,
        creates_a_forgotten_row,
        into_a_forgotten_row_leaves_it_in_doubt,
        of_a_login_or_a_delete_is_no_rotation,
        keeps_the_newest_presented_tokens_only,
    ],
    settle: [
        closes_the_first_attempt_and_leaves_a_verdict,
        of_a_second_attempt_keeps_the_doubt,
        without_a_verdict_keeps_the_old_one,
        can_require_a_login,
        of_anything_else_is_refused,
    ],
    login: [
        creates_a_row,
        of_the_same_token_changes_nothing,
        repeated_by_id_changes_nothing,
        of_a_presented_token_is_refused,
        of_a_token_of_another_account_is_refused,
        of_a_token_that_was_only_held_is_new_after_a_delete,
        of_any_token_spent_before_is_refused_however_many_there_were,
        of_a_token_of_another_provider_is_refused,
        may_insist,
        voids_verdict_and_attempt,
        without_a_refresh_token_goes_by_the_access_token,
        of_an_access_token_alone_replaces_no_pair_unless_it_is_accepted,
        that_amends_keeps_what_was_decided_about_its_token,
        that_amends_moves_nothing_but_the_credential_it_saw,
        after_a_delete_is_newer,
    ],
    delete: [
        leaves_a_tombstone,
        repeated_changes_nothing,
        of_nothing_leaves_nothing,
        makes_the_late_answer_history,
    ],
    reseal: [
        replaces_the_payload_and_nothing_else,
        of_a_row_that_moved_is_refused,
        during_an_open_attempt_leaves_it_open,
    ],
    list: [
        shows_every_account_once_over_pages,
        is_bounded_to_a_provider,
        leaves_tombstones_out,
        survives_changes_between_pages,
    ],
    due: [
        comes_earliest_first_and_is_postponed,
        comes_again_after_the_visibility_timeout,
        is_bounded,
        is_requested_by_provider,
        never_comes_for_tombstones_and_without_a_time,
        is_shared_out_among_takers,
        comes_when_an_attempt_may_be_in_doubt,
        taken_leaves_the_row_to_whoever_claims,
        leaves_a_row_of_a_newer_version_to_it,
    ],
    format: [
        of_a_newer_version_is_left_alone,
        of_a_newer_version_is_left_out_of_listings,
    ],
    races: [
        of_workers_count_every_rotation_once,
        of_claims_have_one_winner,
        of_reclaims_have_one_winner,
        of_logins_of_one_token_have_one_winner,
        of_logins_with_spent_tokens_during_rotations_have_no_winner,
        of_pins_have_one_winner,
        of_reseals_with_rotations_lose_no_rotation,
    ],
};

/// Runs the list over `adapter`; `build` makes a fresh, empty store for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> StoreSubject) -> Report {
    case::run("store", adapter, CASES, build).await
}
