//! An account is deleted and made anew, for another person, while everybody asks for its tokens.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use solekey::{Solekey, TokenError, core::Account};
use solekey_testkit::provider::Fault;
use tokio::task::JoinSet;

use crate::{
    fleet::{Fleet, Mode, Plan, account, document, log_in},
    wait::{eventually, within},
};

/// Which person each token belongs to, and who is logged in everywhere.
#[derive(Default)]
struct Register {
    owners: Mutex<HashMap<String, usize>>,
    /// Tokens of people before this one may not be seen any more.
    since: AtomicUsize,
    stop: AtomicBool,
}

impl Register {
    fn owner(&self, token: &str) -> usize {
        *self.owners.lock().unwrap().get(token).expect("a known token")
    }

    fn note(&self, fleet: &Fleet, person: usize) {
        let tokens = fleet.provider.tokens_of(&name(person));
        self.owners.lock().unwrap().extend(tokens.into_iter().map(|token| (token, person)));
    }
}

fn name(person: usize) -> String {
    format!("person-{person}")
}

/// Asks one replica all the time; once it has shown a person, it may not show an earlier one.
async fn watch(replica: Solekey, account: Account, register: Arc<Register>) {
    let mut last = 0;
    while !register.stop.load(SeqCst) {
        let since = register.since.load(SeqCst);
        match replica.token(&account).await {
            Ok(token) => {
                let owner = register.owner(token.expose_secret());
                assert!(owner >= last.max(since), "person {owner} after {last}, when it was {since}");
                last = owner;
            }
            Err(TokenError::UnknownAccount | TokenError::RetryAt { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn the_old_persons_tokens_never_come_back(mode: Mode) {
    let fleet = Fleet::start(Plan { mode, ..Plan::default() }).await;
    let register = Arc::new(Register::default());
    let account = account("shared");
    let mut watchers = JoinSet::new();
    for replica in fleet.replicas.iter().cycle().take(9) {
        watchers.spawn(watch(replica.clone(), account.clone(), Arc::clone(&register)));
    }
    for person in 1..=PEOPLE {
        let pair = fleet.provider.grant(&name(person));
        register.note(&fleet, person);
        let [refresher, deleter, importer] = &fleet.replicas[..] else { panic!("three replicas") };
        log_in(importer, &account, &document(&pair, pair.expires_in)).await;
        for replica in &fleet.replicas {
            eventually("the new person everywhere", async || {
                let token = replica.token(&account).await.ok()?;
                (register.owner(token.expose_secret()) == person).then_some(())
            })
            .await;
        }
        // From here on it is a mistake to see anybody earlier.
        register.since.store(person, SeqCst);
        fleet.provider.inject(Fault::HoldAfter.once().on(name(person)));
        let seen = fleet.state(&account).await.generation;
        let refresh = refresher.refresh(&account, Some(seen));
        let leave = async {
            let held = within("the answer", fleet.provider.held(&name(person))).await;
            assert!(held.processed);
            register.note(&fleet, person);
            deleter.delete(&account).await.unwrap();
            for replica in &fleet.replicas {
                // The refresher may only ask for patience: its own request is still out.
                eventually("it is gone everywhere", async || {
                    replica.token_within(&account, Duration::ZERO).await.is_err().then_some(())
                })
                .await;
            }
            assert_eq!(fleet.provider.held(&name(person)).await, held);
            fleet.provider.release_all();
        };
        let (late, ()) = within("the late answer", Box::pin(async { tokio::join!(refresh, leave) })).await;
        assert!(matches!(late, Err(TokenError::UnknownAccount)), "the answer is history: {late:?}");
        for replica in &fleet.replicas {
            let answer = within("an answer", replica.token(&account)).await;
            assert!(matches!(answer, Err(TokenError::UnknownAccount)), "{answer:?}");
        }
        assert_eq!(fleet.provider.tally_of(&name(person)).presentations, 1);
    }
    register.stop.store(true, SeqCst);
    within("the watchers end", async {
        while let Some(ended) = watchers.join_next().await {
            ended.unwrap();
        }
    })
    .await;
    fleet.assert_nothing_burned();
    fleet.shut_down().await;
}

const PEOPLE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_and_made_anew_under_load_the_old_persons_tokens_never_come_back() {
    the_old_persons_tokens_never_come_back(Mode::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_and_made_anew_under_load_with_rows_in_sqlite_the_old_persons_tokens_never_come_back() {
    the_old_persons_tokens_never_come_back(Mode::RedisAndSqlite).await;
}
