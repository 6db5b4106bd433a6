//! No token lies anywhere in clear.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use reqwest::{Method, StatusCode};
use serde_json::json;
use solekey_testkit::{
    postgres::{PostgresServer, is_waived},
    provider::{AuthorizationServer, Fault, Replay, Reply},
    redis::{RedisServer, Resp},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use crate::{
    fleet::{Fleet, Mode, Plan},
    sidecar::{Settings, Sidecar, path},
    wait::{eventually, within},
};

const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// The end of every name, to be searched for.
const SURNAME: &str = "-featherstone";
const PLAIN: &str = "plain-featherstone";
const REJECTED: &str = "rejected-featherstone";
const LOST: &str = "lost-featherstone";
const REFUSED: &str = "refused-featherstone";
const DELETED: &str = "deleted-featherstone";
const ACCOUNTS: [&str; 5] = [PLAIN, REJECTED, LOST, REFUSED, DELETED];

/// Some text that may hold tokens, and where it was found.
#[derive(Default)]
pub(crate) struct Scan(Vec<(String, Vec<u8>)>);

/// Returns the forms of a token: in clear, and in the Base64 of a longer text.
fn forms(token: &str) -> impl Iterator<Item = String> {
    let in_base64 = |before: usize| {
        let text = STANDARD_NO_PAD.encode([&b"  "[..before], token.as_bytes()].concat());
        // The first and the last digits depend on what stands around it.
        text[4..text.len() - 4].to_owned()
    };
    std::iter::once(token.to_owned()).chain((0..3).map(in_base64))
}

impl Scan {
    /// The places in which one of these is found.
    pub(crate) fn places_of(&self, tokens: &BTreeSet<String>) -> BTreeSet<&str> {
        let forms: Vec<_> = tokens.iter().flat_map(|token| forms(token)).collect();
        let holds = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            forms.iter().any(|form| text.contains(form))
        };
        self.0.iter().filter(|(_, bytes)| holds(bytes)).map(|(place, _)| place.as_str()).collect()
    }

    /// Every file below, whatever it is.
    pub(crate) fn add_files(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add_files(&path);
            } else {
                self.0.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }

    /// Every key with its value.
    pub(crate) async fn add_keys(&mut self, redis: &RedisServer) {
        let Resp::Array(Some(keys)) = redis.command(&["KEYS", "*"]).await.unwrap() else { panic!("keys") };
        assert!(!keys.is_empty());
        for key in keys {
            let Resp::Bulk(Some(key)) = key else { panic!("{key:?}") };
            let key = String::from_utf8(key).unwrap();
            let value = value(redis, &key).await;
            self.0.push((format!("redis key {key}"), format!("{key} {value:?}").into_bytes()));
            let mut bytes = Vec::new();
            flatten(&value, &mut bytes);
            self.0.push((format!("redis value of {key}"), bytes));
        }
    }

    /// Every table, bytes as the text that they may be.
    pub(crate) async fn add_tables(&mut self, url: &str) {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query("SET bytea_output = 'escape'").execute(&mut connection).await.unwrap();
        let ours = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
                    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
        let tables: Vec<String> = sqlx::query_scalar(ours).fetch_all(&mut connection).await.unwrap();
        for table in tables {
            let whole = AssertSqlSafe(format!("SELECT whole::text FROM {table} AS whole"));
            let rows: Vec<String> = sqlx::query_scalar(whole).fetch_all(&mut connection).await.unwrap();
            self.0.push((format!("table {table}"), rows.join("\n").into_bytes()));
        }
    }
}

async fn value(redis: &RedisServer, key: &str) -> Resp {
    let Resp::Status(kind) = redis.command(&["TYPE", key]).await.unwrap() else { panic!("a type") };
    let words: &[&str] = match kind.as_str() {
        "string" => &["GET", key],
        "hash" => &["HGETALL", key],
        "set" => &["SMEMBERS", key],
        "zset" => &["ZRANGE", key, "0", "-1"],
        "list" => &["LRANGE", key, "0", "-1"],
        "stream" => &["XRANGE", key, "-", "+"],
        other => panic!("{other}"),
    };
    redis.command(words).await.unwrap()
}

fn flatten(value: &Resp, bytes: &mut Vec<u8>) {
    match value {
        Resp::Bulk(Some(value)) => bytes.extend_from_slice(value),
        Resp::Array(Some(values)) => values.iter().for_each(|value| flatten(value, bytes)),
        _ => {}
    }
    bytes.push(b'\n');
}

/// Everything that is sent to a Redis server from now on, messages to subscribers included.
struct Monitor {
    heard: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Monitor {
    async fn of(address: SocketAddr) -> Self {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(b"MONITOR\r\n").await.unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = connection.read(&mut buffer).await {
                ears.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        let monitor = Self { heard, task };
        eventually("the monitor runs", async || {
            monitor.heard.lock().unwrap().starts_with(b"+OK").then_some(())
        })
        .await;
        monitor
    }

    async fn end(self) -> Vec<u8> {
        self.task.abort();
        let _ = self.task.await;
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        assert!(heard.windows(7).any(|part| part == b"PUBLISH"), "the monitor hears scripts and messages");
        heard
    }
}

/// All that can happen to an account, over two sidecars that log as much as they can; returns every token there was.
async fn a_full_life(
    provider: &AuthorizationServer,
    settings: &Settings,
    folder: &TempDir,
) -> BTreeSet<String> {
    let one = Sidecar::start(settings, "one", folder.path()).await;
    let other = Sidecar::start(settings, "other", folder.path()).await;
    let mut shown = Vec::new();
    for id in ACCOUNTS {
        one.log_in_due(id, &provider.grant(id)).await;
        if id == LOST {
            provider.inject(Fault::LoseAnswer.once().on(id));
        }
        if id == REFUSED {
            provider.inject(Fault::Answer(Reply::InvalidGrant).once().on(id));
        }
        // For two of them the answer is an error, which may take a while.
        let answer = if id == LOST { one.ask_within(id, Duration::ZERO).await } else { one.token(id).await };
        match id {
            LOST => assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE),
            REFUSED => assert_eq!(answer.status, StatusCode::UNAUTHORIZED),
            _ => assert_eq!(answer.token(), provider.newest(id).unwrap().access_token),
        }
        if !matches!(id, LOST | REFUSED) {
            assert_eq!(other.token(id).await.token(), answer.token());
        }
    }
    within("the lost answer", provider.wait_until(|provider| provider.tally_of(LOST).rotations == 1)).await;
    let rejected = provider.newest(REJECTED).unwrap();
    provider.reject_access(&rejected.access_token);
    let report = json!({"access_token": rejected.access_token}).to_string();
    let next = other.ask(Method::POST, &format!("{}/rejected", path(REJECTED)), &report).await;
    assert_ne!(next.token(), rejected.access_token);
    let refused = one.import(PLAIN, &json!({"refresh_token": rejected.refresh_token}).to_string()).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    shown.push(refused);
    let clumsy =
        json!({"refresh_token": rejected.refresh_token, "expires_at": rejected.access_token}).to_string();
    shown.push(one.import(PLAIN, &clumsy).await);
    shown.push(one.ask(Method::POST, &format!("{}/rejected", path(PLAIN)), &clumsy).await);
    assert_eq!(one.ask(Method::DELETE, &path(DELETED), "").await.status, StatusCode::NO_CONTENT);
    shown.push(one.get("/v1/accounts").await);
    shown.push(other.get(&path(LOST)).await);
    shown.push(other.get("/readyz").await);
    let tokens: BTreeSet<_> = ACCOUNTS.iter().flat_map(|id| provider.tokens_of(id)).collect();
    assert!(tokens.len() > 2 * ACCOUNTS.len());
    let pages = [one.metrics().await, other.metrics().await].concat();
    assert!(pages.contains("solekey_presentations_total") && !pages.contains(SURNAME), "{pages}");
    let shown = format!("{shown:?}{pages}");
    assert!(shown.contains("invalid_input") && shown.contains("rotations"), "{shown}");
    assert_eq!(tokens.iter().find(|token| shown.contains(*token)), None, "{shown}");
    one.stop().await;
    other.stop().await;
    tokens
}

fn names(scan: &Scan, place: &str) -> bool {
    scan.0.iter().any(|(name, _)| name.contains(place))
}

#[tokio::test]
async fn no_token_is_found_in_redis_files_and_logs_when_a_seal_key_is_given() {
    let (folder, redis) =
        (tempfile::tempdir().unwrap(), RedisServer::builder().append_only().start().await.unwrap());
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let head = format!("[redis]\nurl = \"{}\"\n[store]\nurl = \"sqlite://solekey.db\"", redis.url());
    let settings = Settings { seal_keys: Some(KEY.to_owned()), ..Settings::new(&provider, &head) };
    let monitor = Monitor::of(redis.address()).await;
    let tokens = a_full_life(&provider, &settings, &folder).await;
    let mut scan = Scan(vec![("what Redis was sent".to_owned(), monitor.end().await)]);
    scan.add_keys(&redis).await;
    scan.add_files(redis.log_path().parent().unwrap());
    scan.add_files(folder.path());
    assert!(names(&scan, "solekey.db") && names(&scan, "one.log") && names(&scan, ".aof"));
    assert_eq!(scan.places_of(&tokens), BTreeSet::new());
    let key = BTreeSet::from(["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()]);
    assert_eq!(scan.places_of(&key), BTreeSet::new());
}

#[tokio::test]
async fn no_token_is_found_in_redis_alone_and_the_answers_next_to_it_when_a_seal_key_is_given() {
    let (folder, redis) =
        (tempfile::tempdir().unwrap(), RedisServer::builder().append_only().start().await.unwrap());
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let head = format!("state_dir = \"state\"\n[redis]\nurl = \"{}\"", redis.url());
    let settings = Settings { seal_keys: Some(KEY.to_owned()), ..Settings::new(&provider, &head) };
    let monitor = Monitor::of(redis.address()).await;
    let tokens = a_full_life(&provider, &settings, &folder).await;
    let mut scan = Scan(vec![("what Redis was sent".to_owned(), monitor.end().await)]);
    scan.add_keys(&redis).await;
    scan.add_files(redis.log_path().parent().unwrap());
    scan.add_files(folder.path());
    assert!(names(&scan, "/state/answers/"));
    assert_eq!(scan.places_of(&tokens), BTreeSet::new());
    // Nor do Redis and the folder of answers say whose they are; the logs name accounts by their keys.
    assert_eq!(scan.places_of(&BTreeSet::from([SURNAME.to_owned()])), BTreeSet::new());
}

/// Shows that the search finds what there is to find, and that logs hold nothing even so.
#[tokio::test]
async fn without_a_seal_key_tokens_are_found_where_they_are_stored_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let tokens = a_full_life(&provider, &Settings::new(&provider, ""), &folder).await;
    let mut scan = Scan(Vec::new());
    scan.add_files(folder.path());
    let places: Vec<PathBuf> = scan.places_of(&tokens).into_iter().map(PathBuf::from).collect();
    let stored = |path: &Path| path.starts_with(folder.path().join("solekey.db.answers"));
    assert!(places.iter().any(|path| stored(path)), "{places:?}");
    assert!(places.iter().any(|path| path.ends_with("solekey.db")), "{places:?}");
    for place in &places {
        let name = place.file_name().unwrap().to_string_lossy();
        assert!(stored(place) || name.starts_with("solekey.db"), "{}", place.display());
    }
}

/// A server that writes down all that it is sent, bytes as the text that they may be.
async fn talkative() -> PostgresServer {
    let settings = [("log_statement", "all"), ("bytea_output", "escape")];
    PostgresServer::start_with(&settings).await.unwrap()
}

/// Tables and files of the folder, what PostgreSQL was sent and what it put on its disk.
async fn scan_of_postgres(postgres: PostgresServer, folder: &Path) -> Scan {
    let mut scan = Scan::default();
    scan.add_tables(&postgres.url()).await;
    assert!(names(&scan, "table solekey.account") && names(&scan, "table solekey.presented"));
    scan.add_files(&postgres.log_path().parent().unwrap().join("data/pg_wal"));
    let sent = fs::read(postgres.log_path()).unwrap();
    assert!(
        String::from_utf8_lossy(&sent).contains("pg_notify"),
        "the statements that it is sent are in its log"
    );
    scan.0.push(("what PostgreSQL was sent".to_owned(), sent));
    scan.add_files(folder);
    scan
}

#[tokio::test]
async fn no_token_is_found_in_postgres_and_the_answers_next_to_it_when_a_seal_key_is_given() {
    if is_waived() {
        return;
    }
    let (folder, postgres) = (tempfile::tempdir().unwrap(), talkative().await);
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let head = format!("state_dir = \"state\"\n[store]\nurl = \"{}\"", postgres.url());
    let settings = Settings { seal_keys: Some(KEY.to_owned()), ..Settings::new(&provider, &head) };
    let tokens = a_full_life(&provider, &settings, &folder).await;
    let scan = scan_of_postgres(postgres, folder.path()).await;
    assert!(names(&scan, "/state/answers/") && names(&scan, "one.log") && names(&scan, "/pg_wal/"));
    assert_eq!(scan.places_of(&tokens), BTreeSet::new());
}

/// Shows that the search finds in tables what there is to find, and that logs of ours hold nothing even so.
#[tokio::test]
async fn without_a_seal_key_tokens_are_found_in_postgres_where_they_are_stored_and_in_no_log_of_ours() {
    if is_waived() {
        return;
    }
    let (folder, postgres) = (tempfile::tempdir().unwrap(), talkative().await);
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let head = format!("state_dir = \"state\"\n[store]\nurl = \"{}\"", postgres.url());
    let tokens = a_full_life(&provider, &Settings::new(&provider, &head), &folder).await;
    let scan = scan_of_postgres(postgres, folder.path()).await;
    let places = scan.places_of(&tokens);
    for stored in ["table solekey.account", "what PostgreSQL was sent"] {
        assert!(places.contains(stored), "{places:?}");
    }
    assert!(places.iter().any(|place| place.contains("/pg_wal/")), "{places:?}");
    let stored = ["table solekey.account", "what PostgreSQL was sent", "/pg_wal/", "/state/answers/"];
    for place in &places {
        assert!(stored.iter().any(|part| place.contains(part)), "{place}");
    }
}

#[tokio::test]
async fn public_types_with_a_token_inside_show_nothing_of_it() {
    let fleet = Fleet::start(Plan { mode: Mode::Embedded, replicas: 1, ..Plan::default() }).await;
    let (account, pair) = fleet.log_in("a").await;
    let token = fleet.first().token(&account).await.unwrap();
    let document =
        json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token}).to_string();
    let import =
        solekey::core::Credential::import(document.as_bytes(), std::time::SystemTime::now()).unwrap();
    let bad = solekey::core::Credential::import(
        &document.as_bytes()[..document.len() - 2],
        std::time::SystemTime::now(),
    );
    let secret = solekey::core::secret(pair.refresh_token.clone());
    let row = fleet.blueprint.rows().await.load(&account).await.unwrap();
    let shown = format!(
        "{token:?} {:?} {import:?} {bad:?} {secret:?} {row:?} {:?} {:?}",
        token.bearer(),
        fleet.first(),
        fleet.state(&account).await,
    );
    assert!(!shown.contains(&pair.access_token) && !shown.contains(&pair.refresh_token), "{shown}");
    fleet.shut_down().await;
}
