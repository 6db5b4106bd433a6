//! Several replicas in this process, over real servers, before a strict provider.

use std::{sync::Arc, time::Duration};

use solekey::{
    AccessToken, AccountError, AccountState, Login, Solekey, TokenError,
    core::{Account, Generation},
};
use solekey_testkit::{
    provider::{AuthorizationServer, Pair, Replay},
    redis::{RedisServer, SharedRedis, redis_for_tests},
};
use tempfile::TempDir;

use crate::{
    blueprint::{Backing, Blueprint, PROVIDER, Terms},
    database::Database,
    seen::Seen,
    wait::{POLL, eventually, within},
};

/// A fleet and its surroundings.
pub(crate) struct Fleet {
    pub(crate) provider: AuthorizationServer,
    pub(crate) blueprint: Blueprint,
    pub(crate) replicas: Vec<Solekey>,
    /// The commits and recoveries of all replicas of this process.
    pub(crate) seen: Arc<Seen>,
    pub(crate) folder: TempDir,
    /// Keeps the server running.
    _redis: Option<SharedRedis>,
    _postgres: Option<Database>,
}

/// The settings in which the fleets of tests differ.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) replicas: usize,
    /// The lifetime of the provider's tokens.
    pub(crate) lifetime: Duration,
    pub(crate) terms: Terms,
    pub(crate) seal_keys: Option<String>,
}

/// The servers and files through which a fleet coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The Redis shared by all tests, and nothing else.
    Redis,
    /// That Redis, and rows in SQLite.
    RedisAndSqlite,
    /// No Redis.
    Embedded,
    /// A Redis of the test's own, at this URL.
    OwnRedis(String),
    /// A Redis of the test's own, and rows in SQLite.
    OwnRedisAndSqlite(String),
    /// A Redis of the test's own; rows are reached through a URL of their own.
    OwnRedisByTwoWays { rows: String, url: String },
    /// No Redis; the PostgreSQL shared by all tests, in a database of the test's own.
    Postgres,
    /// No Redis; a PostgreSQL of the test's own, at this URL.
    OwnPostgres(String),
    /// A Redis of the test's own, and rows as in [`Postgres`](Self::Postgres).
    OwnRedisAndPostgres(String),
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            mode: Mode::Redis,
            replicas: 3,
            lifetime: Duration::from_hours(1),
            terms: Terms::default(),
            seal_keys: None,
        }
    }
}

impl Mode {
    pub(crate) fn own(redis: &RedisServer) -> Self {
        Self::OwnRedis(redis.url())
    }

    pub(crate) fn own_with_sqlite(redis: &RedisServer) -> Self {
        Self::OwnRedisAndSqlite(redis.url())
    }
}

impl Fleet {
    pub(crate) async fn start(plan: Plan) -> Self {
        let Plan { mode, replicas, lifetime, terms, seal_keys } = plan;
        let replay = terms.grace.map_or(Replay::StrictFamily, Replay::Grace);
        let provider =
            AuthorizationServer::builder().replay(replay).token_lifetime(lifetime).start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let redis = match mode {
            Mode::Redis | Mode::RedisAndSqlite => Some(redis_for_tests().await.unwrap()),
            _ => None,
        };
        let postgres = match mode {
            Mode::Postgres | Mode::OwnRedisAndPostgres(_) => Some(Database::new().await),
            _ => None,
        };
        let backing = backing(mode, redis.as_ref(), postgres.as_ref(), &folder);
        let token_url = provider.token_url();
        let blueprint = Blueprint { token_url, backing, terms, seal_keys, stop: None };
        let seen = Arc::new(Seen::default());
        let mut fleet = Self {
            provider,
            blueprint,
            replicas: Vec::new(),
            seen,
            folder,
            _redis: redis,
            _postgres: postgres,
        };
        for _ in 0..replicas {
            fleet.join().await;
        }
        fleet
    }

    /// One more replica.
    pub(crate) async fn join(&mut self) -> Solekey {
        let via = format!("replica-{}", self.replicas.len() + 1);
        let blueprint = Blueprint { token_url: self.provider.token_url_for(&via), ..self.blueprint.clone() };
        let observer = Arc::clone(&self.seen);
        let replica = blueprint.builder().await.observer(observer).build().await.unwrap();
        self.replicas.push(replica.clone());
        replica
    }

    pub(crate) fn first(&self) -> &Solekey {
        &self.replicas[0]
    }

    /// Logs an account in whose token is good for as long as the provider says.
    pub(crate) async fn log_in(&self, id: &str) -> (Account, Pair) {
        let pair = self.provider.grant(id);
        let account = self.import(id, &pair, pair.expires_in).await;
        (account, pair)
    }

    /// Logs an account in whose token ends in `left` by the imported document; the provider goes on accepting it.
    pub(crate) async fn log_in_for(&self, id: &str, left: Duration) -> (Account, Pair) {
        let pair = self.provider.grant(id);
        let account = self.import(id, &pair, left).await;
        (account, pair)
    }

    /// Logs an account in whose token has ended.
    pub(crate) async fn log_in_due(&self, id: &str) -> (Account, Pair) {
        let pair = self.provider.grant(id);
        let document = serde_json::json!({"refresh_token": pair.refresh_token}).to_string();
        (self.import_document(id, &document).await, pair)
    }

    async fn import(&self, id: &str, pair: &Pair, left: Duration) -> Account {
        self.import_document(id, &document(pair, left)).await
    }

    async fn import_document(&self, id: &str, document: &str) -> Account {
        let account = account(id);
        log_in(self.first(), &account, document).await;
        account
    }

    /// The account's state, once the store has answered.
    pub(crate) async fn state(&self, account: &Account) -> AccountState {
        eventually("a state", async || self.first().state(account).await.map_err(|error| error.to_string()))
            .await
    }

    /// Waits until that many pairs were committed by whoever had presented for them, and that many recovered, and no
    /// more. A row shows a change before the replica that made it has reported it.
    pub(crate) async fn has_reported(&self, committed: u64, recovered: u64) {
        eventually("commits and recoveries", async || {
            let reported = (self.seen.committed(), self.seen.recovered());
            assert!(reported.0 <= committed && reported.1 <= recovered, "{reported:?}");
            if reported == (committed, recovered) { Ok(()) } else { Err(reported) }
        })
        .await;
    }

    /// The token of every replica, once it is newer than `generation`.
    pub(crate) async fn newer(&self, account: &Account, generation: Generation) -> Vec<AccessToken> {
        let mut tokens = Vec::new();
        for replica in &self.replicas {
            tokens.push(newer(replica, account, generation).await);
        }
        tokens
    }

    /// Asserts that every replica serves what the provider minted last.
    pub(crate) async fn assert_all_serve_the_newest(&self, account: &Account) {
        for replica in &self.replicas {
            let token = within("a token", replica.token(account)).await.expect("a token");
            let newest = self.provider.newest(account.id()).expect("a grant");
            assert_eq!(token.expose_secret(), newest.access_token);
            assert!(self.provider.is_valid(token.expose_secret()));
        }
    }

    /// Asserts what the provider has seen of this account, and that none of it should not have been.
    pub(crate) fn assert_presented(&self, account: &Account, times: u64) {
        let tally = self.provider.tally_of(account.id());
        assert_eq!(
            (tally.presentations, tally.rotations),
            (times, times),
            "{}",
            self.provider.log_json_lines()
        );
        self.assert_nothing_burned();
    }

    pub(crate) fn assert_nothing_burned(&self) {
        let doubles = self.provider.double_presentations();
        assert_eq!(doubles, 0, "{}", self.provider.log_json_lines());
        assert_eq!(self.provider.burned_accounts(), Vec::<String>::new());
    }

    /// Ends all replicas; nothing may be left under way.
    pub(crate) async fn shut_down(self) {
        for replica in &self.replicas {
            let shutdown = within("shutdown", replica.shutdown(solekey::DEFAULT_DRAIN)).await;
            assert_eq!(shutdown.in_doubt, 0);
        }
    }
}

/// This replica's token, once it is newer than `generation`. Until then it may serve what it has, or ask for patience.
pub(crate) async fn newer(replica: &Solekey, account: &Account, generation: Generation) -> AccessToken {
    within("a newer token", async {
        loop {
            match replica.token(account).await {
                Ok(token) if token.generation() > generation => return token,
                Ok(_) | Err(TokenError::RetryAt { .. }) => tokio::time::sleep(POLL).await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

/// Logs in what was not logged in before. A store that does not answer in time is asked again, and may have done it.
pub(crate) async fn log_in(replica: &Solekey, account: &Account, document: &str) {
    let mut repeated = false;
    let login = within("a login", async {
        loop {
            match replica.login(account, document.as_bytes(), false).await {
                Ok(login) => return login,
                Err(AccountError::Store(_)) => repeated = true,
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    let same = repeated && matches!(login, Login::Same { .. });
    assert!(same || matches!(login, Login::New { .. }), "{login:?}");
}

pub(crate) fn account(id: &str) -> Account {
    Account::new(PROVIDER, id).unwrap()
}

/// Returns the document to import for a pair whose access token ends in `left`.
pub(crate) fn document(pair: &Pair, left: Duration) -> String {
    let Pair { access_token, refresh_token, .. } = pair;
    let expires_in = left.as_secs();
    serde_json::json!({"access_token": access_token, "refresh_token": refresh_token, "expires_in": expires_in})
        .to_string()
}

fn backing(
    mode: Mode,
    shared: Option<&SharedRedis>,
    database: Option<&Database>,
    folder: &TempDir,
) -> Backing {
    let state_dir = folder.path().join("state");
    let file = folder.path().join("solekey.db");
    let prefix = shared.map_or_else(|| "solekey-e2e".to_owned(), |redis| redis.prefix.clone());
    let shared = shared.map(|redis| redis.url.clone()).unwrap_or_default();
    let rows = database.map(Database::url).unwrap_or_default();
    match mode {
        Mode::Redis => Backing::Redis { url: shared, prefix, state_dir },
        Mode::OwnRedis(url) => Backing::Redis { url, prefix, state_dir },
        Mode::RedisAndSqlite => Backing::RedisAndSqlite { url: shared, prefix, file },
        Mode::OwnRedisAndSqlite(url) => Backing::RedisAndSqlite { url, prefix, file },
        Mode::OwnRedisByTwoWays { rows, url } => Backing::RedisByTwoWays { rows, url, prefix },
        Mode::Embedded => Backing::Embedded { file },
        Mode::Postgres => Backing::Postgres { url: rows, state_dir },
        Mode::OwnPostgres(url) => Backing::Postgres { url, state_dir },
        Mode::OwnRedisAndPostgres(url) => Backing::RedisAndPostgres { url, prefix, rows },
    }
}
