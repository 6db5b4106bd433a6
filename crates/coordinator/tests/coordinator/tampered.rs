//! Somebody can write to Redis. Rows are elsewhere, and there is a seal key: it costs time, and no account.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use solekey::{AccessToken, Builder, Login, Rejection, Solekey, TokenError};
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Decision, Delay, Generation, Sealed, StoreTime, Verdict,
    ports::{Answers as _, Cache as _, CacheEntry, CachedToken, Publication, Registration, Store as _},
};
use uuid::Uuid;

use crate::{
    fixture::{HOUR, World, account, policy, seal},
    mortal::{Death, mortal},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BRIEF: Duration = Duration::from_secs(1);

fn sealing(world: &World) -> Builder {
    world.builder(policy()).seal(seal())
}

async fn log_in(world: &World, id: &str, lifetime: Duration) -> Account {
    let account = account(id);
    let document = world.provider.grant(id, lifetime);
    let replica = sealing(world).build().await.unwrap();
    let login = replica.login(&account, document.as_bytes(), true).await.unwrap();
    assert!(matches!(login, Login::New { .. }), "{login:?}");
    replica.shutdown(BRIEF).await;
    account
}

/// A world with an account whose token has ended.
async fn overdue() -> (Arc<World>, Account) {
    let world = Arc::new(World::new());
    let account = log_in(&world, "a", BRIEF).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    (world, account)
}

/// A world in which an owner wrote its answer and died before the commit.
async fn bereft() -> (Arc<World>, Account) {
    let (world, account) = overdue().await;
    let (owner, pulse) = mortal(&world, policy(), Death::Before("commit"));
    let owner = owner.seal(seal()).build().await.unwrap();
    let _ = owner.token_within(&account, Duration::from_millis(500)).await;
    assert!(pulse.is_gone());
    owner.shutdown(Duration::ZERO).await;
    assert_eq!(world.answers.all(&account).len(), 2, "the login's and the owner's");
    world.cache.wipe();
    (world, account)
}

fn secret(token: &AccessToken) -> String {
    token.expose_secret().to_owned()
}

/// What is kept of the account, as bytes that somebody has copied.
fn newest(world: &World, account: &Account) -> Answer {
    world.answers.all(account).pop().unwrap()
}

/// Puts these in the place of all answers of the account.
async fn replace(world: &World, account: &Account, answers: &[Answer]) {
    world.answers.forget(account);
    for answer in answers {
        world.answers.write(account, answer).await.unwrap();
    }
}

/// For six hours the account is in doubt, and nothing is presented in addition to what was.
async fn is_in_doubt(world: &World, replica: &Solekey, account: &Account) {
    let before = world.provider.presentations();
    for _ in 0..12 {
        let answer = replica.token_within(account, BRIEF).await;
        assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "{answer:?}");
        tokio::time::sleep(HOUR / 2).await;
    }
    assert_eq!(world.provider.presentations(), before);
    assert_eq!(world.provider.doubles(), 0);
}

/// A19.
#[tokio::test(start_paused = true)]
async fn an_old_answer_under_a_newer_number_is_not_the_rows_future() {
    let (world, account) = overdue().await;
    let old = newest(&world, &account);
    let replica = sealing(&world).build().await.unwrap();
    assert_eq!(secret(&replica.token(&account).await.unwrap()), "access-a-2");
    tokio::time::sleep(2 * HOUR).await;
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    let attempt = Generation::new(row.minted.get() + 1_000_000_000);
    for note in [
        AnswerNote { attempt, made_from: row.generation, ..old.note },
        AnswerNote { attempt, made_from: row.generation, claim: ClaimId::new(Uuid::new_v4()), ..old.note },
        AnswerNote { attempt, content: Content::Deleted, ..old.note },
    ] {
        let kept = world.answers.all(&account);
        replace(&world, &account, &[Answer { note, payload: old.payload.clone() }]).await;
        let before = world.provider.presentations();
        let token = replica.token(&account).await.unwrap();
        assert_eq!(secret(&token), format!("access-a-{}", before + 2), "the row's own, refreshed");
        assert_eq!(world.provider.doubles(), 0);
        replace(&world, &account, &kept).await;
        tokio::time::sleep(2 * HOUR).await;
    }
}

/// A19.
#[tokio::test(start_paused = true)]
async fn what_stands_next_to_an_answer_does_not_decide() {
    let (world, account) = bereft().await;
    let all = world.answers.all(&account);
    let genuine = &all[1];
    let content = match genuine.note.content {
        Content::Rotated(facts) => {
            Content::Rotated(solekey_core::NewFacts { expires_in: Some(365 * DAY), ..facts })
        }
        other => panic!("{other:?}"),
    };
    let note = AnswerNote { content, access_ends: None, made_from: Generation::new(1), ..genuine.note };
    replace(&world, &account, &[all[0].clone(), Answer { note, ..genuine.clone() }]).await;
    let heir = sealing(&world).build().await.unwrap();
    let token = heir.token(&account).await.unwrap();
    assert_eq!(secret(&token), "access-a-2", "the pair is recovered");
    let facts = world.store.load(&account).await.unwrap().record.unwrap().row.facts.unwrap();
    assert!(facts.lifetime().unwrap() <= HOUR, "{facts:?}");
    assert_eq!(world.provider.presentations(), 1);
}

/// A19.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_deleted_changed_or_swapped_is_doubt_and_a_login_ends_it() {
    let (world, account) = bereft().await;
    let other = log_in(&world, "b", HOUR).await;
    let all = world.answers.all(&account);
    let genuine = all[1].clone();
    let swapped = Answer { payload: newest(&world, &other).payload, ..genuine.clone() };
    let cut = Sealed::new(genuine.payload.as_bytes()[..20].to_vec());
    let cut = Answer { payload: cut, ..genuine.clone() };
    let heir = sealing(&world).build().await.unwrap();
    for left in [vec![], vec![all[0].clone(), swapped], vec![all[0].clone(), cut]] {
        replace(&world, &account, &left).await;
        is_in_doubt(&world, &heir, &account).await;
    }
    // Whoever finds it again has the account back.
    replace(&world, &account, &all).await;
    tokio::time::sleep(HOUR).await;
    let _ = heir.token(&account).await.unwrap();
    assert_eq!(world.provider.doubles(), 0);
    let _ = log_in(&world, "a", HOUR).await;
    assert_eq!(world.provider.doubles(), 0);
}

/// A19.
#[tokio::test(start_paused = true)]
async fn a_registration_that_somebody_wrote_vouches_for_nothing() {
    let (world, account) = bereft().await;
    let store = world.store.identity().await.unwrap().id;
    let login = world.answers.all(&account)[0].clone();
    let genuine = world.answers.register(&registration(store, 5)).await.unwrap();
    for forged in [
        registration(store, 0),
        Registration { since: StoreTime::from_micros(0), ..genuine.clone() },
        Registration { store: Uuid::new_v4(), ..genuine.clone() },
        Registration { seal_check: "another".to_owned(), ..genuine.clone() },
        Registration { store: Uuid::new_v4(), ..registration(store, 0) },
    ] {
        world.answers.wipe();
        world.answers.register_anew(&forged).await.unwrap();
        world.answers.write(&account, &login).await.unwrap();
        let heir = sealing(&world).build().await.unwrap();
        assert!(heir.mistake().is_none(), "nobody stops the fleet like that");
        is_in_doubt(&world, &heir, &account).await;
        // And while it runs.
        world.answers.register_anew(&forged).await.unwrap();
        is_in_doubt(&world, &heir, &account).await;
        heir.shutdown(BRIEF).await;
    }
}

/// A19.
#[tokio::test(start_paused = true)]
async fn a_registration_from_before_the_last_loss_vouches_for_nothing() {
    let (world, account) = bereft().await;
    let store = world.store.identity().await.unwrap().id;
    let old = world.answers.register(&registration(store, 5)).await.unwrap();
    let login = world.answers.all(&account)[0].clone();
    world.answers.wipe();
    let first = sealing(&world).build().await.unwrap();
    first.shutdown(BRIEF).await;
    let anew = world.answers.register(&registration(store, 5)).await.unwrap();
    assert!(anew.since > old.since);
    world.answers.register_anew(&old).await.unwrap();
    world.answers.write(&account, &login).await.unwrap();
    let heir = sealing(&world).build().await.unwrap();
    is_in_doubt(&world, &heir, &account).await;
}

fn registration(store: Uuid, since: u64) -> Registration {
    let since = StoreTime::from_micros(since);
    Registration { store, seal_check: "none".to_owned(), since, proof: String::new() }
}

/// The answer that made the row vouches for what is missing next to it, so it is written where it is not.
#[tokio::test(start_paused = true)]
async fn a_row_whose_answer_was_lost_gets_it_back_before_the_next_claim() {
    let (world, account) = overdue().await;
    world.answers.forget(&account);
    let (owner, pulse) = mortal(&world, policy(), Death::Before("write_of_nothing"));
    let owner = owner.seal(seal()).build().await.unwrap();
    world.provider.script([crate::fixture::Script::LoseRequest]);
    let _ = owner.token_within(&account, BRIEF).await;
    assert!(!pulse.is_gone());
    owner.shutdown(BRIEF).await;
    assert_eq!(world.answers.all(&account).len(), 1, "that of the row");
    world.cache.wipe();
    let heir = sealing(&world).build().await.unwrap();
    assert_eq!(secret(&heir.token(&account).await.unwrap()), "access-a-2", "what is missing was never there");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
}

async fn publish(world: &World, account: &Account, publication: Publication) {
    world.cache.forget(account);
    assert!(world.cache.publish(account, &publication).await.unwrap());
}

fn forged(generation: Generation) -> Publication {
    Publication {
        generation,
        token: None,
        verdict: None,
        gone: false,
        replaces: false,
        as_of: None,
        proof: Sealed::default(),
    }
}

/// What somebody has copied from the shared cache, as they would put it back.
fn copied(entry: &CacheEntry) -> Publication {
    let CacheEntry { token, verdict, gone, proof, .. } = entry.clone();
    Publication { token, verdict, gone, proof, ..forged(entry.known.unwrap()) }
}

/// A19.
#[tokio::test(start_paused = true)]
async fn an_entry_that_somebody_wrote_says_nothing_and_keeps_nothing_out() {
    let (world, account) = overdue().await;
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    let never = Verdict {
        generation: row.generation,
        decision: Decision::NotBefore { at: 365 * DAY, why: Delay::RateLimited },
        strikes: 9,
    };
    let genuine = world.cache.read(&account).await.unwrap();
    for publication in [
        forged(Generation::new(1 << 60)),
        forged(Generation::new(u64::MAX)),
        Publication { gone: true, ..forged(Generation::new(1 << 60)) },
        Publication { verdict: Some(never), ..forged(row.generation) },
        Publication { verdict: Some(never), ..copied(&genuine) },
        Publication { gone: true, ..copied(&genuine) },
    ] {
        publish(&world, &account, publication).await;
        let replica = sealing(&world).build().await.unwrap();
        let before = world.provider.presentations();
        let token = replica.token(&account).await.unwrap();
        assert_eq!(secret(&token), format!("access-a-{}", before + 2));
        tokio::time::sleep(BRIEF).await;
        let known = world.cache.read(&account).await.unwrap().known;
        assert_eq!(known, Some(token.generation()), "what is published gets in");
        tokio::time::sleep(2 * HOUR).await;
        replica.shutdown(BRIEF).await;
    }
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert!(row.minted < Generation::new(1 << 53), "numbers are left");
    assert_eq!(world.provider.doubles(), 0);
}

/// A19.
#[tokio::test(start_paused = true)]
async fn no_entry_shows_a_token_of_another_account_one_that_ended_or_one_that_a_login_replaced() {
    let world = Arc::new(World::new());
    let account = log_in(&world, "a", 10 * BRIEF).await;
    let other = log_in(&world, "b", HOUR).await;
    let brief = world.cache.read(&account).await.unwrap();
    let foreign = world.cache.read(&other).await.unwrap();
    tokio::time::sleep(11 * BRIEF).await;
    let longer =
        |token: Option<CachedToken>| token.map(|token| CachedToken { valid: DAY, good: DAY, ..token });
    let swapped =
        CachedToken { payload: foreign.token.clone().unwrap().payload, ..brief.token.clone().unwrap() };
    for publication in [
        Publication { token: longer(brief.token.clone()), ..copied(&brief) },
        Publication { token: longer(Some(swapped)), ..copied(&brief) },
        Publication { token: longer(foreign.token.clone()), ..copied(&foreign) },
    ] {
        publish(&world, &account, publication).await;
        let replica = sealing(&world).build().await.unwrap();
        let before = world.provider.presentations();
        let token = secret(&replica.token(&account).await.unwrap());
        assert!(token.starts_with("access-a-"), "{token}");
        assert!(before == 0 && token != "access-a-1" || before > 0, "{token}");
        assert_eq!(token, secret(&replica.token(&account).await.unwrap()));
        replica.shutdown(BRIEF).await;
    }
    assert_eq!(world.provider.presentations(), 1);

    // A login by somebody else, and the token of the one before next to it.
    let before = world.cache.read(&account).await.unwrap();
    let _ = log_in(&world, "a", HOUR).await;
    let after = world.cache.read(&account).await.unwrap();
    assert!(before.token.is_some() && after.known > before.known);
    publish(&world, &account, Publication { token: before.token.clone(), ..copied(&after) }).await;
    let replica = sealing(&world).build().await.unwrap();
    let served = replica.token(&account).await.unwrap();
    assert_eq!(Some(served.generation()), after.known);
}

/// A19.
#[tokio::test(start_paused = true)]
async fn a_mark_that_somebody_made_rejects_nothing() {
    let world = Arc::new(World::new());
    let account = log_in(&world, "a", HOUR).await;
    let generation = world.cache.read(&account).await.unwrap().known.unwrap();
    for proof in [Sealed::default(), world.cache.read(&account).await.unwrap().proof] {
        world.cache.reject(&account, generation, &proof).await.unwrap();
        let replica = sealing(&world).build().await.unwrap();
        assert_eq!(secret(&replica.token(&account).await.unwrap()), "access-a-1");
        world.cache.clear_rejection(&account, generation).await.unwrap();
        replica.shutdown(BRIEF).await;
    }
    assert_eq!(world.provider.presentations(), 0);
    // One that a replica made is seen by the others.
    let (one, other) = (sealing(&world).build().await.unwrap(), sealing(&world).build().await.unwrap());
    let token = one.token(&account).await.unwrap();
    let rejection = refused(&token);
    let better = one.token_after_rejection(&account, rejection).await.unwrap();
    assert_eq!(secret(&better), "access-a-2");
    assert_eq!(secret(&other.token(&account).await.unwrap()), "access-a-2");
}

fn refused(token: &AccessToken) -> Rejection {
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
    token.rejected_by(StatusCode::UNAUTHORIZED, &headers).unwrap()
}
