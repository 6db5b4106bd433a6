//! Seal keys that do not fit what is there.

use std::time::Duration;

use solekey::{Builder, SealKeys, Solekey, TokenError};
use solekey_core::{
    Account, Delay,
    ports::{Answers as _, Cache as _, Record, Store as _},
};
use solekey_testkit::memory::Fault;

use crate::fixture::{HOUR, World, account, policy};

const ONE: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "k2:HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=";

fn sealing(world: &World, ring: &str) -> Builder {
    world.builder(policy()).seal(SealKeys::parse(ring).unwrap())
}

async fn log_in(world: &World, replica: &Solekey, id: &str) -> Account {
    let account = account(id);
    let document = world.provider.grant(id, HOUR);
    replica.login(&account, document.as_bytes(), false).await.unwrap();
    account
}

/// Checks the answers for an account whose credential does not open: a configuration error while the token is good, and
/// nothing but delays afterwards.
async fn is_left_alone(world: &World, replica: &Solekey, account: &Account) {
    for _ in 0..3 {
        let answer = replica.token(account).await.unwrap_err();
        assert!(
            matches!(&answer, TokenError::Configuration { field, .. } if field == "seal.key"),
            "{answer:?}"
        );
    }
    tokio::time::sleep(HOUR).await;
    let answer = replica.token_within(account, Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(answer, TokenError::RetryAt { why: Delay::Unreachable, .. }), "{answer:?}");
    assert_eq!(world.provider.presentations(), 0);
}

/// Checks the answers of a replica that failed its backend check: nothing but that its seal is wrong.
async fn is_refused(replica: &Solekey, account: &Account) {
    for _ in 0..3 {
        let answer = replica.token(account).await.unwrap_err();
        assert!(
            matches!(&answer, TokenError::Configuration { field, .. } if field == "seal.key"),
            "{answer:?}"
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Waits until a whole walk has left nothing under an older key.
async fn resealed(replica: &Solekey) {
    let done = async {
        while !replica.sealing().done {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(HOUR, done).await.expect("it ends");
}

/// The account's row, its newest answer and its token in the shared cache, as bytes.
async fn lies(world: &World, account: &Account) -> [Vec<u8>; 3] {
    let record = world.store.load(account).await.unwrap().record.unwrap();
    let answer = world.answers.newest(account).await.unwrap().newest.unwrap();
    let shared_cache = world.cache.read(account).await.unwrap().token.unwrap();
    [record.payload, answer.payload, shared_cache.payload].map(|sealed| sealed.as_bytes().to_vec())
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The id of the key in the header of a sealed value. What follows it is random, and may hold the letters of any id.
fn key_of(sealed: &[u8]) -> &str {
    let length = usize::from(sealed[1]);
    std::str::from_utf8(&sealed[2..2 + length]).unwrap()
}

const BOTH: &str =
    "k2:HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=,k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const ONE_AND_CLEAR: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,clear";

#[tokio::test(start_paused = true)]
async fn a_store_that_began_in_clear_takes_no_key_that_does_not_say_so() {
    let world = World::new();
    let account = log_in(&world, &world.replica().await, "a").await;
    for ring in [ONE, OTHER] {
        let sealed = sealing(&world, ring).build().await.unwrap();
        is_refused(&sealed, &account).await;
    }
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_lies_in_clear_is_sealed_by_a_ring_that_says_so_and_believed_by_nobody_afterwards() {
    let world = World::new();
    let clear = world.replica().await;
    let accounts = [log_in(&world, &clear, "a").await, log_in(&world, &clear, "b").await];
    clear.shutdown(Duration::from_secs(1)).await;
    assert!(lies(&world, &accounts[0]).await.iter().all(|bytes| holds(bytes, "access-a-1")));
    let written_in_clear = world.store.load(&accounts[1]).await.unwrap().record.unwrap();

    let sealed = sealing(&world, ONE_AND_CLEAR).build().await.unwrap();
    assert_eq!(sealed.token(&accounts[0]).await.unwrap().expose_secret(), "access-a-1", "served meanwhile");
    resealed(&sealed).await;
    let sealing_now = sealed.sealing();
    assert_eq!((sealing_now.key.as_deref(), sealing_now.left.get("clear")), (Some("k1"), Some(&0)));
    for (account, text) in accounts.iter().zip(["-a-1", "-b-2"]) {
        assert!(!lies(&world, account).await.iter().any(|bytes| holds(bytes, text)));
    }
    sealed.shutdown(Duration::from_secs(1)).await;

    // From here on the key alone is the one, another or none is not, and clear is not believed.
    let alone = sealing(&world, ONE).build().await.unwrap();
    for account in &accounts {
        alone.token(account).await.unwrap();
    }
    is_refused(&world.replica().await, &accounts[0]).await;
    is_refused(&sealing(&world, OTHER).build().await.unwrap(), &accounts[0]).await;
    let Record { row, payload } = written_in_clear;
    world.store.reseal(&accounts[1], row.made_by, &payload).await.unwrap();
    world.cache.wipe();
    is_left_alone(&world, &sealing(&world, ONE).build().await.unwrap(), &accounts[1]).await;
}

#[tokio::test(start_paused = true)]
async fn an_older_key_can_be_removed_once_everything_lies_under_the_first_and_not_before() {
    let world = World::new();
    let old = sealing(&world, ONE).build().await.unwrap();
    let account = log_in(&world, &old, "a").await;
    old.shutdown(Duration::from_secs(1)).await;
    is_refused(&sealing(&world, OTHER).build().await.unwrap(), &account).await;

    let before = lies(&world, &account).await;
    let both = sealing(&world, BOTH).build().await.unwrap();
    resealed(&both).await;
    let after = lies(&world, &account).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((key_of(before), key_of(after)), ("k1", "k2"));
    }
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert_eq!(both.token(&account).await.unwrap().generation(), row.generation, "no new generation");
    both.shutdown(Duration::from_secs(1)).await;

    let new = sealing(&world, OTHER).build().await.unwrap();
    assert_eq!(new.token(&account).await.unwrap().expose_secret(), "access-a-1");
    world.cache.wipe();
    let another = sealing(&world, OTHER).build().await.unwrap();
    assert_eq!(another.token(&account).await.unwrap().expose_secret(), "access-a-1");
    is_refused(&sealing(&world, ONE).build().await.unwrap(), &account).await;
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_no_key_opens_is_counted_and_keeps_the_seal_check_where_it_is() {
    let world = World::new();
    let old = sealing(&world, ONE).build().await.unwrap();
    let (account, other) = (log_in(&world, &old, "a").await, log_in(&world, &old, "b").await);
    let foreign = world.store.load(&other).await.unwrap().record.unwrap();
    let made_by = world.store.load(&account).await.unwrap().record.unwrap().row.made_by;
    world.store.reseal(&account, made_by, &foreign.payload).await.unwrap();
    old.shutdown(Duration::from_secs(1)).await;

    let both = sealing(&world, BOTH).build().await.unwrap();
    while both.sealing().walks < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let sealing_now = both.sealing();
    assert_eq!((sealing_now.unopened, sealing_now.done), (1, false), "{sealing_now:?}");
    let kept = world.store.load(&account).await.unwrap().record.unwrap();
    assert_eq!(kept.payload.as_bytes(), foreign.payload.as_bytes(), "it may be somebody's only copy");
    let old = sealing(&world, ONE).build().await.unwrap();
    assert!(old.mistake().is_none(), "the older key is still one of the store's");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_while_it_is_resealed_is_resealed_later() {
    let world = World::new();
    let old = sealing(&world, ONE).build().await.unwrap();
    let accounts = [log_in(&world, &old, "a").await, log_in(&world, &old, "b").await];
    old.shutdown(Duration::from_secs(1)).await;
    world.store.faults().fail_next_of("reseal", 1, Fault::UnknownAfter);
    world.answers.faults().fail_next_of("reseal", 1, Fault::NotApplied);
    let both = sealing(&world, BOTH).build().await.unwrap();
    resealed(&both).await;
    assert!(both.sealing().walks >= 2);
    for account in &accounts {
        assert!(lies(&world, account).await.iter().all(|bytes| key_of(bytes) == "k2"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_committed_under_an_older_key_after_the_walk_is_seen_before_the_key_can_be_removed()
{
    let world = World::new();
    let old = sealing(&world, ONE).build().await.unwrap();
    let account = log_in(&world, &old, "a").await;
    let before = world.store.load(&account).await.unwrap().record.unwrap();
    old.shutdown(Duration::from_secs(1)).await;

    let both = sealing(&world, BOTH).build().await.unwrap();
    while both.sealing().walks < 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!both.sealing().done, "it has changed something");
    // Somebody had read what lay there before.
    world.store.reseal(&account, before.row.made_by, &before.payload).await.unwrap();
    resealed(&both).await;
    let [row, ..] = lies(&world, &account).await;
    assert_eq!(key_of(&row), "k2", "the other key can be removed");
}

#[tokio::test(start_paused = true)]
async fn a_read_only_replica_counts_what_lies_under_older_keys_and_changes_nothing() {
    let world = World::new();
    let old = sealing(&world, ONE).build().await.unwrap();
    let accounts = [log_in(&world, &old, "a").await, log_in(&world, &old, "b").await];
    let before = lies(&world, &accounts[0]).await;
    old.shutdown(Duration::from_secs(1)).await;

    let read_only = sealing(&world, BOTH).read_only().build().await.unwrap();
    tokio::time::sleep(HOUR / 2).await;
    let count = read_only.count_seals(Duration::from_secs(10)).await;
    assert_eq!((count.key.as_deref(), count.accounts, count.whole), (Some("k2"), 2, true), "{count:?}");
    assert_eq!((count.left.get("k1"), count.settled), (Some(&4), false), "rows and answers: {count:?}");
    assert_eq!((read_only.sealing().walks, lies(&world, &accounts[0]).await), (0, before));

    let working = sealing(&world, BOTH).build().await.unwrap();
    resealed(&working).await;
    let fresh = sealing(&world, BOTH).read_only().build().await.unwrap();
    let count = fresh.count_seals(Duration::from_secs(10)).await;
    assert_eq!((count.left.get("k1"), count.unopened, count.settled), (Some(&0), 0, true), "{count:?}");

    world.store.faults().leave();
    let count = fresh.count_seals(Duration::from_secs(10)).await;
    assert!(!count.whole && count.accounts == 0, "{count:?}");
}
