//! Many accounts that nobody asks for, and three replicas that refresh them: on Redis, and on PostgreSQL with Redis.
//!
//! The token endpoint is in this process and counts: at a server of its own, HTTP would be most of what is measured.
//! `SOLEKEY_TEST_DUE` sets the number of accounts that are due; `--show-output` shows how long they took.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use reqwest::{StatusCode, header::HeaderMap};
use solekey::{
    Builder, Event, Observer, Provider, Solekey,
    core::{
        Account, ClaimId, Dialect, ExposeSecret as _, Fingerprint, Limits, Login, NewFacts, PolicySettings,
        Sealed,
        ports::{ExchangeRequest, Store, TokenEndpoint, Wire},
    },
};
use solekey_redis_link::{RedisLink, cmd};
use solekey_store_redis::RedisStore;
use solekey_store_sql::PostgresStore;
use solekey_testkit::redis::RedisServer;
use sqlx::{Connection as _, PgConnection};

use crate::{
    blueprint::patient,
    database::Database,
    fleet::log_in,
    wait::{BOUND, eventually},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_due_accounts_is_presented_once_at_the_rate_that_three_replicas_share_on_redis() {
    let world = World::new(None).await;
    Box::pin(world.refresh_all("redis")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_due_accounts_is_presented_once_at_the_rate_that_three_replicas_share_on_postgresql() {
    let world = World::new(Some(Database::new().await)).await;
    Box::pin(world.refresh_all("postgresql")).await;
}

#[tokio::test]
async fn taking_what_is_due_costs_redis_the_same_however_many_accounts_are_not() {
    let world = World::new(None).await;
    let few = world.cost_in_redis(100).await;
    world.register(MANY, Duration::from_hours(1)).await;
    let among_many = world.cost_in_redis(100).await;
    assert_eq!(few, among_many, "commands, by name");
    assert!(few.iter().all(|(name, calls)| *calls <= 400 && name != "scan" && name != "keys"), "{few:?}");
}

#[tokio::test]
async fn taking_what_is_due_reads_an_index_of_postgresql_and_of_that_what_it_takes() {
    let database = Database::new().await;
    let url = database.url();
    let world = World::new(Some(database)).await;
    world.register(MANY, Duration::from_hours(1)).await;
    world.register(100, Duration::ZERO).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query("ANALYZE solekey.account").execute(&mut connection).await.unwrap();
    let read = async |connection: &mut PgConnection| -> (i64, i64) {
        sqlx::query_as(
            "SELECT t.seq_tup_read, i.idx_tup_read FROM pg_stat_user_tables t, pg_stat_user_indexes i
             WHERE t.schemaname = 'solekey' AND t.relname = 'account' AND i.indexrelname = 'account_due'",
        )
        .fetch_one(connection)
        .await
        .unwrap()
    };
    let before = read(&mut connection).await;
    let store = PostgresStore::open(&url).unwrap();
    // In batches as replicas take them.
    let mut taken = 0;
    loop {
        let batch = i64::try_from(store.due(PROVIDER, HOLD, 20).await.unwrap().len()).unwrap();
        taken += batch;
        if batch == 0 {
            break;
        }
    }
    // What a connection has read is counted when it closes.
    store.close().await;
    let (whole, by_index) = eventually("what was read is counted", async || {
        let now = read(&mut connection).await;
        (now.1 > before.1).then_some((now.0 - before.0, now.1 - before.1))
    })
    .await;
    assert_eq!((taken, whole), (100, 0), "the table is not walked over");
    // Each is searched for once, and its entry moves.
    assert!(by_index <= taken * 3, "{by_index} entries for {taken} accounts among {MANY}");
}

/// The servers and files that replicas share.
struct World {
    redis: RedisServer,
    database: Option<Database>,
    folder: tempfile::TempDir,
    endpoint: Arc<Counting>,
    diary: Arc<Diary>,
    registered: AtomicU64,
}

impl World {
    async fn new(database: Option<Database>) -> Self {
        Self {
            redis: RedisServer::builder().start().await.unwrap(),
            database,
            folder: tempfile::tempdir().unwrap(),
            endpoint: Arc::default(),
            diary: Arc::default(),
            registered: AtomicU64::new(0),
        }
    }

    fn builder(&self, limits: Option<Limits>) -> Builder {
        // A machine that stands still for a while leaves no attempt in doubt.
        let longest = Duration::from_mins(2);
        let policy = PolicySettings { exchange_timeout: longest, ..PolicySettings::default() };
        let policy = policy.build().unwrap();
        let endpoint = Arc::clone(&self.endpoint) as Arc<dyn TokenEndpoint>;
        let provider = Provider::new(PROVIDER, policy, endpoint).unwrap().background(limits);
        let builder = Solekey::builder().provider(provider).redis(self.redis.url()).redis_prefix("due");
        match &self.database {
            Some(database) => builder.postgres(database.url()),
            None => builder.state_dir(self.folder.path()),
        }
    }

    async fn store(&self) -> Arc<dyn Store> {
        match &self.database {
            Some(database) => Arc::new(PostgresStore::open(&database.url()).unwrap()),
            None => Arc::new(RedisStore::new(self.link().await, "due").unwrap()),
        }
    }

    async fn link(&self) -> RedisLink {
        RedisLink::connect(&self.redis.url(), patient()).await.unwrap()
    }

    /// So many accounts more, due after `due_in`; their rows hold no token.
    async fn register(&self, count: u64, due_in: Duration) {
        let store = self.store().await;
        let all = (0..count).map(|_| {
            let number = self.registered.fetch_add(1, Relaxed);
            let store = Arc::clone(&store);
            async move {
                let token = |kind: u8| {
                    let mut bytes = [kind; 16];
                    bytes[8..].copy_from_slice(&number.to_be_bytes());
                    Fingerprint::new(bytes)
                };
                let facts = NewFacts {
                    access: token(1),
                    refresh: Some(token(2)),
                    expires_in: None,
                    refresh_expires_in: None,
                };
                let id = ClaimId::new(uuid::Uuid::from_u128(u128::from(number) + 1));
                let login = Login {
                    id,
                    facts,
                    accept_spent: false,
                    accept_lesser: false,
                    amends: None,
                    due_in: Some(due_in),
                    as_of: None,
                };
                let account = Account::new(PROVIDER, &format!("row-{number:07}")).unwrap();
                store.login(&account, &login, &Sealed::new("x")).await.unwrap();
            }
        });
        Box::pin(in_turns(all.collect())).await;
    }

    /// So many accounts whose tokens are about to end.
    async fn log_in(&self, count: u64) {
        let solekey = self.builder(None).build().await.unwrap();
        let all = (0..count).map(|number| {
            let (solekey, account) = (solekey.clone(), account(number));
            async move {
                // A machine that is busy with so many may find its Redis slow for a while.
                log_in(&solekey, &account, &document(&account, 0, 1)).await;
            }
        });
        Box::pin(in_turns(all.collect())).await;
        solekey.shutdown(BOUND).await;
    }

    async fn refresh_all(&self, store: &str) {
        let due = due();
        let began = Instant::now();
        Box::pin(self.log_in(due)).await;
        let logged_in = began.elapsed();
        // By the clock that the starts go by.
        let (link, began) = (self.link().await, Instant::now());
        let first = server_time(&link).await;
        let mut fleet = Vec::new();
        for _ in 0..3 {
            let observer = Arc::clone(&self.diary) as Arc<dyn Observer>;
            fleet.push(self.builder(Some(limits())).observer(observer).build().await.unwrap());
        }
        eventually("presentations of all accounts", async || {
            let started = self.endpoint.presented();
            let by_now = (server_time(&link).await - first) / limits().interval().as_micros() as u64 + 1;
            assert!(started <= by_now, "{started} started where {by_now} may have been");
            if started >= due { Ok(()) } else { Err((started, self.diary.ends())) }
        })
        .await;
        // Whose owner could not write it down in time, somebody else finds among the answers.
        eventually("new pairs in all rows", async || {
            let rotated = rotated(&fleet[0]).await;
            if rotated == due { Ok(()) } else { Err((rotated, self.diary.ends())) }
        })
        .await;
        let took = began.elapsed();
        for solekey in fleet {
            assert_eq!(solekey.shutdown(BOUND).await.in_doubt, 0);
        }
        assert_eq!(
            self.endpoint.counts(),
            (due, due, 1),
            "accounts, presentations, and the most of one token"
        );
        println!(
            "{store}: {due} accounts logged in in {logged_in:.1?}, refreshed by three replicas in {took:.1?}, {} a second; {:?}",
            u128::from(due) * 1000 / took.as_millis().max(1),
            self.diary.ends()
        );
    }

    /// Returns the cost of taking when `due` accounts are due: the commands by their names, without those that keep a
    /// connection.
    async fn cost_in_redis(&self, due: u64) -> Vec<(String, u64)> {
        self.register(due, Duration::ZERO).await;
        let (link, store) = (self.link().await, self.store().await);
        // Scripts are sent once.
        assert_eq!(store.due(PROVIDER, HOLD, 1).await.unwrap().len(), 1);
        let _: String = link.query(cmd("CONFIG").arg("RESETSTAT")).await.unwrap();
        assert_eq!(store.due(PROVIDER, HOLD, 1_000).await.unwrap().len() as u64, due - 1);
        let stats: String = link.query(cmd("INFO").arg("commandstats")).await.unwrap();
        let calls = stats.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next()?.parse().ok()?;
            let about_due = ["z", "h", "scan", "keys", "evalsha"].iter().any(|verb| name.starts_with(verb));
            about_due.then(|| (name.to_owned(), calls))
        });
        let mut calls: Vec<_> = calls.collect();
        calls.sort();
        calls
    }
}

/// A token endpoint that rotates, and counts what it is presented.
#[derive(Default)]
struct Counting {
    dialect: Dialect,
    presented: Mutex<HashMap<String, (u64, u64)>>,
}

impl Counting {
    fn presented(&self) -> u64 {
        self.presented.lock().unwrap().values().map(|(times, _)| times).sum()
    }

    /// Returns the number of accounts, the number of presentations, and the presentations of the account with the most.
    fn counts(&self) -> (u64, u64, u64) {
        let presented = self.presented.lock().unwrap();
        let most = presented.values().map(|(times, _)| *times).max().unwrap_or(0);
        (presented.len() as u64, presented.values().map(|(times, _)| times).sum(), most)
    }
}

#[async_trait]
impl TokenEndpoint for Counting {
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, _: Duration) -> Wire {
        let expected = format!("refresh-{}-", account.id());
        let body = {
            let mut presented = self.presented.lock().unwrap();
            let (times, spent) = presented.entry(account.id().to_owned()).or_default();
            *times += 1;
            let token = request.refresh_token.expose_secret();
            if *token != format!("{expected}{spent}") {
                let body = r#"{"error":"invalid_grant"}"#.into();
                return Wire::Reply { status: StatusCode::BAD_REQUEST, headers: HeaderMap::default(), body };
            }
            *spent += 1;
            document(account, *spent, 24 * 3600)
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        Wire::Reply { status: StatusCode::OK, headers: HeaderMap::default(), body: body.into() }
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn client(&self) -> &'static str {
        "counting"
    }
}

/// The number of refresh jobs by their result.
#[derive(Default)]
struct Diary(Mutex<BTreeMap<&'static str, u64>>);

impl Observer for Diary {
    fn on(&self, event: &Event<'_>) {
        if let Event::RefreshResult { end, .. } = event {
            *self.0.lock().unwrap().entry(end.name()).or_default() += 1;
        }
    }
}

impl Diary {
    fn ends(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap().clone()
    }
}

/// Returns the number of rows with a pair from a presentation.
async fn rotated(replica: &Solekey) -> u64 {
    let (mut rotated, mut cursor) = (0, None);
    loop {
        let page = eventually("a page of accounts", async || {
            replica.list(None, cursor.as_deref(), 1_000).await.map_err(|error| error.to_string())
        })
        .await;
        rotated += page.accounts.iter().filter(|account| account.rotations > 0).count() as u64;
        if page.next.is_none() {
            return rotated;
        }
        cursor = page.next;
    }
}

/// Some hundred at a time.
async fn in_turns<F: Future<Output = ()> + Send + 'static>(work: Vec<F>) {
    let mut running = tokio::task::JoinSet::new();
    for one in work {
        if running.len() >= 200 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(one);
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

/// Microseconds since 1970.
async fn server_time(link: &RedisLink) -> u64 {
    let (secs, micros): (u64, u64) = link.query(&cmd("TIME")).await.unwrap();
    secs * 1_000_000 + micros
}

fn document(account: &Account, number: u64, expires_in: u64) -> String {
    let id = account.id();
    format!(
        r#"{{"access_token":"access-{id}-{number}","refresh_token":"refresh-{id}-{number}","expires_in":{expires_in}}}"#
    )
}

fn account(number: u64) -> Account {
    Account::new(PROVIDER, &format!("account-{number:07}")).unwrap()
}

fn due() -> u64 {
    std::env::var("SOLEKEY_TEST_DUE").map_or(5_000, |count| count.parse().expect("a number of accounts"))
}

fn limits() -> Limits {
    Limits::new(500, 64)
}

const PROVIDER: &str = "acme";
const HOLD: Duration = Duration::from_hours(1);
/// Accounts that are not due.
const MANY: u64 = 2_000;
