//! Files of command line tools, kept fresh, and what other programs do to them meanwhile.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use solekey::{
    AccessToken, Login, Solekey, TokenError,
    core::{Account, ports::Store as _},
};
use solekey_server::{Config, Environment, MirrorFile, MirrorFiles, Mirrors};
use tempfile::TempDir;

use crate::memory::{HOUR, Mirroring, World, account, policy, seal};

/// A folder of a person, with a file of a tool in it.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

async fn mirroring(world: &World, account: &Account, path: &Path) -> Mirroring {
    Mirroring::of(world.builder(policy()), [(account, path)]).await
}

/// Asks for a token in a task of its own.
fn ask(replica: &Solekey, account: &Account) -> tokio::task::JoinHandle<Result<AccessToken, TokenError>> {
    let (replica, account) = (replica.clone(), account.clone());
    tokio::spawn(async move { replica.token(&account).await })
}

fn codex(access: &str, refresh: &str) -> String {
    json!({"OPENAI_API_KEY": null, "tokens": {"access_token": access, "refresh_token": refresh, "account_id": "acc"},
           "last_refresh": "2024-12-28T12:34:56Z", "own": [1.5]})
    .to_string()
}

fn claude(access: &str, refresh: &str) -> String {
    json!({"claudeAiOauth": {"accessToken": access, "refreshToken": refresh, "expiresAt": 1_700_000_000_000_u64,
           "scopes": ["a"], "subscriptionType": "max"}, "mcpOAuth": {"x": 1}})
    .to_string()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Waits until the file says so.
async fn comes_to_hold(path: &Path, token: &str) {
    for _ in 0..200 {
        if fs::read_to_string(path).is_ok_and(|text| text.contains(token)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("{token} does not come: {:?}", fs::read_to_string(path));
}

/// Waits as long as several checks of a file take.
async fn checks_pass() {
    tokio::time::sleep(Duration::from_secs(9)).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_follows_its_account_in_its_own_shape_whoever_refreshes() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    checks_pass().await;
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        codex("access-a-1", "refresh-a-1"),
        "it is as it should be"
    );
    let other = world.replica().await;
    other.token(&account).await.unwrap();
    comes_to_hold(&path, "access-a-2").await;
    let file = json(&path);
    assert_eq!(
        (&file["tokens"]["refresh_token"], &file["tokens"]["account_id"]),
        (&json!("refresh-a-2"), &json!("acc"))
    );
    assert_ne!(file["last_refresh"], "2024-12-28T12:34:56Z");
    assert_eq!(file["own"], json!([1.5]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.names(), ["auth.json"]);
    checks_pass().await;
    replica.refresh(&account, None).await.unwrap();
    comes_to_hold(&path, "access-a-3").await;
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_notifications_a_file_follows_by_polling() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    let home = Home::new();
    let path = home.path(".credentials.json");
    fs::write(&path, claude("access-a-1", "refresh-a-1")).unwrap();
    let _mirror = Mirroring::of(world.embedded(policy()), [(&account, &path)]).await;
    checks_pass().await;
    world.embedded(policy()).build().await.unwrap().token(&account).await.unwrap();
    comes_to_hold(&path, "access-a-2").await;
    let file = json(&path);
    assert!(file["claudeAiOauth"]["expiresAt"].as_u64() > Some(1_700_000_000_000));
    assert_eq!(
        (&file["claudeAiOauth"]["subscriptionType"], &file["mcpOAuth"]["x"]),
        (&json!("max"), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_made_and_one_that_was_taken_away_is_not() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let path = home.path("oauth_creds.json");
    let replica = mirroring(&world, &account, &path).await;
    comes_to_hold(&path, "access-a-1").await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_file(&path).unwrap();
    checks_pass().await;
    replica.refresh(&account, None).await.unwrap();
    checks_pass().await;
    assert!(home.names().is_empty(), "whoever logged out there stays logged out");
}

#[tokio::test(start_paused = true)]
async fn a_login_in_the_file_is_taken_in_and_an_older_copy_is_replaced() {
    let (world, account) = World::overdue().await;
    let home = Home::new();
    let path = home.path("auth.json");
    let replica = mirroring(&world, &account, &path).await;
    replica.token(&account).await.unwrap();
    comes_to_hold(&path, "access-a-2").await;
    checks_pass().await;
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    comes_to_hold(&path, "access-a-2").await;
    assert_eq!(json(&path)["own"], json!([1.5]), "the rest of the file is whoever wrote it last");

    let generation = replica.token(&account).await.unwrap().generation();
    world.provider.grant("a", HOUR);
    fs::write(&path, codex("access-a-3", "refresh-a-3")).unwrap();
    checks_pass().await;
    let token = replica.token(&account).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-3");
    assert!(token.generation() > generation);
    assert_eq!(fs::read_to_string(&path).unwrap(), codex("access-a-3", "refresh-a-3"), "nothing to write");
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_copy_from_before_two_hundred_rotations_is_left_alone_and_not_taken_in() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let path = home.path("auth.json");
    let replica = mirroring(&world, &account, &path).await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(6)).await;
        replica.refresh(&account, None).await.unwrap();
    }
    comes_to_hold(&path, "access-a-201").await;
    for n in [1, 2, 100, 136] {
        let old = codex(&format!("access-a-{n}"), &format!("refresh-a-{n}"));
        fs::write(&path, &old).unwrap();
        checks_pass().await;
        assert_eq!(fs::read_to_string(&path).unwrap(), old);
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let token = replica.refresh(&account, None).await.unwrap();
    assert_eq!((token.expose_secret(), world.provider.doubles()), ("access-a-202", 0));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_that_was_never_refreshed_does_not_come_back_from_its_file() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    checks_pass().await;
    replica.delete(&account).await.unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(matches!(replica.token(&account).await, Err(TokenError::UnknownAccount)));
}

#[tokio::test(start_paused = true)]
async fn an_account_nobody_logged_in_is_taken_in_from_its_file() {
    let world = World::new();
    let home = Home::new();
    let path = home.path(".credentials.json");
    world.provider.grant("a", HOUR);
    fs::write(&path, claude("access-a-1", "refresh-a-1")).unwrap();
    let account = account("a");
    let replica = mirroring(&world, &account, &path).await;
    comes_to_hold(&path, "access-a-1").await;
    checks_pass().await;
    // Its token has ended, by its own account.
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    comes_to_hold(&path, "access-a-2").await;
    replica.delete(&account).await.unwrap();
    checks_pass().await;
    assert!(replica.state(&account).await.is_err(), "what is left in the file does not bring it back");
}

/// N-11.
#[tokio::test(start_paused = true)]
async fn a_login_in_the_file_during_a_refresh_wins() {
    let (world, account) = World::overdue().await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    checks_pass().await;
    world.provider.close();
    let call = ask(&replica, &account);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Somebody logs in while the exchange is under way, and its answer comes afterwards.
    fs::write(&path, codex("access-new", "refresh-new")).unwrap();
    let row = async || world.store.load(&account).await.unwrap().record.unwrap().row;
    for _ in 0..100 {
        if row().await.is_by_login() && row().await.open.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let login = row().await;
    world.provider.open();
    let _ = call.await.unwrap();
    checks_pass().await;
    assert_eq!(row().await.generation, login.generation, "the late answer is history");
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-new");
    assert_eq!(fs::read_to_string(&path).unwrap(), codex("access-new", "refresh-new"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_credential_is_left_alone_until_it_changes() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let path = home.path("auth.json");
    for broken in ["", "{\"tokens\": {\"access_tok", "<html>", "{}"] {
        fs::write(&path, broken).unwrap();
        let replica = mirroring(&world, &account, &path).await;
        checks_pass().await;
        replica.refresh(&account, None).await.unwrap();
        checks_pass().await;
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        let current = replica.token(&account).await.unwrap().expose_secret().to_owned();
        fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
        comes_to_hold(&path, &current).await;
        replica.shutdown(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_of_another_account_is_neither_taken_nor_overwritten() {
    let world = World::new();
    let (one, other) = (world.log_in("a", HOUR).await, world.log_in("b", HOUR).await);
    let home = Home::new();
    let (path, second) = (home.path("auth.json"), home.path("other.json"));
    let foreign = codex("access-b-2", "refresh-b-2");
    fs::write(&path, &foreign).unwrap();
    fs::write(&second, codex("access-b-2", "refresh-b-2")).unwrap();
    let replica = Mirroring::of(world.builder(policy()), [(&one, &path), (&other, &second)]).await;
    checks_pass().await;
    replica.refresh(&other, None).await.unwrap();
    replica.refresh(&one, None).await.unwrap();
    comes_to_hold(&second, "access-b-3").await;
    checks_pass().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
    assert_eq!(replica.token(&one).await.unwrap().expose_secret(), "access-a-4");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    comes_to_hold(&path, "access-a-4").await;
    assert!(!fs::read_to_string(&second).unwrap().contains("-a-"));
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_meanwhile_sees_one_content_whole_and_the_owner_stays() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    let home = Home::new();
    let path = home.path("auth.json");
    let before = codex("access-a-1", "refresh-a-1");
    fs::write(&path, &before).unwrap();
    // Only root can give a file away; for everybody else it is theirs before and after.
    let _ = chown(&path, Some(12_345), Some(12_345));
    let owner = fs::metadata(&path).map(|file| (file.uid(), file.gid())).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    checks_pass().await;
    let mut reader = File::open(&path).unwrap();
    replica.token(&account).await.unwrap();
    comes_to_hold(&path, "access-a-2").await;
    let mut seen = String::new();
    reader.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, before);
    assert_eq!(fs::metadata(&path).map(|file| (file.uid(), file.gid())).unwrap(), owner);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_unfinished_goes_and_the_file_it_meant_is_whole() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    // Between writing and renaming: one died long ago, one is at it.
    for (name, age) in [(".auth.json.solekey-1", 600), (".auth.json.solekey-2", 0), ("auth.json.bak", 600)] {
        let file = File::create(home.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    let _replica = mirroring(&world, &account, &path).await;
    checks_pass().await;
    assert_eq!(home.names(), [".auth.json.solekey-2", "auth.json", "auth.json.bak"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), codex("access-a-1", "refresh-a-1"));
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_in_a_file_counts_from_the_time_of_the_file() {
    let world = World::new();
    let account = account("a");
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, world.provider.grant("a", HOUR)).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("expires_in"));
    let yesterday = SystemTime::now() - 24 * HOUR;
    File::options().write(true).open(&path).unwrap().set_modified(yesterday).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    checks_pass().await;
    assert_eq!(
        replica.token(&account).await.unwrap().expose_secret(),
        "access-a-2",
        "the other one has ended"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pipe_at_the_place_of_a_file_holds_nobody_up() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    let home = Home::new();
    let (pipe, file) = (home.path("pipe.json"), home.path("auth.json"));
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    fs::write(&file, codex("access-a-1", "refresh-a-1")).unwrap();
    let paths = [&pipe, &file].map(|path| (&account, path));
    let replica = Mirroring::of(world.builder(policy()), paths).await;
    checks_pass().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    comes_to_hold(&file, "access-a-2").await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_or_a_link_costs_no_refresh() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    let home = Home::new();
    let target = home.path("target.json");
    fs::write(&target, codex("access-a-1", "refresh-a-1")).unwrap();
    symlink(&target, home.path("link.json")).unwrap();
    fs::create_dir(home.path("folder.json")).unwrap();
    let nowhere = home.path("missing/auth.json");
    // Not even root writes into the last of them.
    let paths = [home.path("link.json"), home.path("folder.json"), nowhere.clone(), "/proc/auth.json".into()];
    let replica = Mirroring::of(world.builder(policy()), paths.map(|path| (&account, path))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    checks_pass().await;
    assert_eq!(fs::read_to_string(&target).unwrap(), codex("access-a-1", "refresh-a-1"));
    fs::create_dir(home.path("missing")).unwrap();
    comes_to_hold(&nowhere, "access-a-2").await;
}

#[tokio::test]
async fn what_is_not_kept_fresh_is_reported_at_once() {
    let world = crate::fixture::World::new().await;
    let home = Home::new();
    let broken = home.path("alice.json");
    fs::write(&broken, "{").unwrap();
    let paths = [broken.clone(), home.path("missing/auth.json"), "/proc/auth.json".into()];
    let mirrors = paths.map(|path| {
        format!("[[mirror]]\nprovider = \"acme\"\naccount = \"alice\"\npath = \"{}\"\n", path.display())
    });
    let sidecar = crate::fixture::Sidecar::start(&format!("{}{}", world.config(), mirrors.concat())).await;
    let warnings = async || {
        let ready = sidecar.get("/readyz").await;
        assert_eq!(ready.status, 200);
        let warnings = ready.body["warnings"].as_array().unwrap().clone();
        warnings.iter().map(|warning| warning.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    crate::fixture::until(async || warnings().await.len() == 3).await;
    let shown = warnings().await.concat();
    for part in ["it holds no credential", "its folder is not there", "its folder cannot be written"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!shown.contains("/alice.json"), "a path with the account's name has its key: {shown}");
    let metric = async || {
        let page =
            sidecar.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        let line = page
            .lines()
            .find(|line| line.starts_with("solekey_mirrored_files_in_trouble"))
            .map(str::to_owned);
        line.unwrap()
    };
    assert_eq!(metric().await, r#"solekey_mirrored_files_in_trouble{provider="acme"} 3"#);

    fs::create_dir(home.path("missing")).unwrap();
    let pair = world.provider.grant("alice");
    fs::write(&broken, codex(&pair.access_token, &pair.refresh_token)).unwrap();
    crate::fixture::until(async || warnings().await.len() == 1).await;
    assert_eq!(metric().await, r#"solekey_mirrored_files_in_trouble{provider="acme"} 1"#);
}

#[tokio::test(start_paused = true)]
async fn a_newer_access_token_in_the_file_is_taken_in_and_an_older_one_is_replaced() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let path = home.path("auth.json");
    let file = |end: SystemTime| {
        let end = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        format!(r#"{{"access_token":"access-b","refresh_token":"refresh-a-1","expired":{end}}}"#)
    };
    fs::write(&path, file(SystemTime::now() + HOUR / 2)).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    comes_to_hold(&path, "access-a-1").await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    assert!(json(&path)["expired"].as_u64().unwrap() > 1_500_000_000_000, "its end is written with it");
    // Later by the clock of the instance as well.
    let instance = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    fs::write(&path, file(SystemTime::now().max(instance) + HOUR * 3)).unwrap();
    for _ in 0..200 {
        if replica.token(&account).await.unwrap().expose_secret() == "access-b" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the newer token is not taken");
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_a_link_leads_to_is_neither_read_nor_written() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    let (home, other) = (Home::new(), Home::new());
    // What stands there is a login, and would be imported.
    fs::create_dir(other.path("inner")).unwrap();
    for path in ["known.json", "inner/known.json"] {
        fs::write(other.path(path), codex("access-b-1", "refresh-b-1")).unwrap();
    }
    symlink(other.path(""), home.path("link")).unwrap();
    let paths = ["link/known.json", "link/new.json", "link/inner/known.json", "link/inner/new.json"];
    let replica = Mirroring::of(world.builder(policy()), paths.map(|path| (&account, home.path(path)))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    checks_pass().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(other.names(), ["inner", "known.json"]);
    for path in ["known.json", "inner/known.json"] {
        assert_eq!(fs::read_to_string(other.path(path)).unwrap(), codex("access-b-1", "refresh-b-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_refresh_before_a_shutdown_is_in_the_file() {
    let (world, account) = World::overdue().await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    checks_pass().await;
    let call = ask(&replica, &account);
    tokio::time::sleep(Duration::from_millis(50)).await;
    replica.shutdown(Duration::from_secs(10)).await;
    assert_eq!(call.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert!(fs::read_to_string(&path).unwrap().contains("access-a-2"));
}

#[tokio::test(start_paused = true)]
async fn a_sealed_account_is_mirrored_and_a_request_that_cannot_be_met_is_refused_by_name() {
    let world = World::new();
    let home = Home::new();
    let path = home.path("auth.json");
    let account = account("a");
    let replica = Mirroring::of(world.builder(policy()).seal(seal()), [(&account, &path)]).await;
    let document = world.provider.grant("a", HOUR);
    let login = replica.login(&account, document.as_bytes(), false).await.unwrap();
    assert!(matches!(login, Login::New { .. }));
    comes_to_hold(&path, "access-a-1").await;
    let refused = |paths: &[&Path]| {
        let files = MirrorFiles::new(paths.iter().map(|path| (account.clone(), path.to_path_buf())));
        files.unwrap_err().field().to_owned()
    };
    for paths in [&[Path::new("auth.json")][..], &[Path::new("/")], &[&path, &path]] {
        assert_eq!(refused(paths), "mirror.path", "{paths:?}");
    }
    let many: Vec<_> = (0..257).map(|number| home.path(&number.to_string())).collect();
    assert_eq!(refused(&many.iter().map(PathBuf::as_path).collect::<Vec<_>>()), "mirror");
    let mirror = "[[mirror]]\nprovider = \"other\"\naccount = \"a\"\npath = \"/auth.json\"";
    let provider = "[[provider]]\nname = \"acme\"\ntoken_url = \"https://a.example/t\"\nclient_id = \"c\"";
    let error = Config::parse(&format!("{provider}\n{mirror}"), &Environment::default()).unwrap_err();
    assert_eq!(error.field(), Some("mirror.provider"));
}

#[tokio::test(start_paused = true)]
async fn what_others_refreshed_right_before_a_shutdown_is_in_the_file() {
    let (world, account) = World::overdue().await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    let replica = Mirroring::of(world.embedded(policy()), [(&account, &path)]).await;
    checks_pass().await;
    // By a replica that nothing is heard of, and over: only the store knows.
    let other = world.embedded(policy()).build().await.unwrap();
    other.token(&account).await.unwrap();
    other.until_idle(&account).await;
    replica.shutdown(Duration::from_secs(10)).await;
    assert!(fs::read_to_string(&path).unwrap().contains("access-a-2"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_and_a_provider_that_is_not_configured_changes_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let (path, other) = (home.path("auth.json"), home.path("other.json"));
    fs::write(&path, codex("access-a-0", "refresh-a-0")).unwrap();
    fs::write(&other, codex("access-b-0", "refresh-b-0")).unwrap();
    world.store.faults().leave();
    let stranger = Account::new("other", "b").unwrap();
    let files = [(&account, &path), (&stranger, &other)];
    let replica = Mirroring::of(world.builder(policy()), files).await;
    checks_pass().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), codex("access-a-0", "refresh-a-0"));
    world.store.faults().come_back();
    checks_pass().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-0", "it is a login");
    assert_eq!(fs::read_to_string(&other).unwrap(), codex("access-b-0", "refresh-b-0"));
}

#[tokio::test(start_paused = true)]
async fn mirrors_that_are_dropped_end() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let home = Home::new();
    let path = home.path("auth.json");
    let replica = world.replica().await;
    let files = MirrorFiles::new([(account.clone(), path.clone())]).unwrap();
    let mirrors = Mirrors::start(&replica, files);
    comes_to_hold(&path, "access-a-1").await;
    drop(mirrors);
    replica.refresh(&account, None).await.unwrap();
    checks_pass().await;
    assert!(fs::read_to_string(&path).unwrap().contains("access-a-1"));
}

fn opencode(first: &str, second: &str) -> String {
    let account = |n: &str, more: &str| {
        format!(
            r#"{{ "type": "oauth", "access": "access-{n}", "refresh": "refresh-{n}", "expires": 0{more} }}"#
        )
    };
    let (first, second) = (account(first, ""), account(second, ", \"accountId\": \"acc\""));
    format!(
        "{{\n  \"anthropic\": {first},\n  \"groq\": {{\"type\": \"api\", \"key\": \"k\"}},\n  \"openai\": {second}\n}}\n"
    )
}

/// The replicas, and the mirrors of both accounts of a file.
async fn mirroring_fields(world: &World, accounts: [&Account; 2], path: &Path) -> Mirroring {
    let fields = ["anthropic", "openai"];
    let files = accounts.into_iter().zip(fields);
    let files = files.map(|(account, field)| MirrorFile::new(account.clone(), path).in_field(field));
    Mirroring::of_files(world.builder(policy()), files).await
}

#[tokio::test(start_paused = true)]
async fn each_account_of_a_file_with_several_is_kept_fresh_in_its_field() {
    let world = World::new();
    let (a, b) = (world.log_in("a", HOUR).await, world.log_in("b", HOUR).await);
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, opencode("a-1", "b-2")).unwrap();
    let replica = mirroring_fields(&world, [&a, &b], &path).await;
    checks_pass().await;
    let (first, second) = tokio::join!(replica.refresh(&a, None), replica.refresh(&b, None));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    comes_to_hold(&path, "refresh-a-3").await;
    comes_to_hold(&path, "refresh-b-4").await;
    let file = json(&path);
    assert_eq!(file["groq"], json!({"type": "api", "key": "k"}));
    assert_eq!(
        (&file["openai"]["accountId"], &file["openai"]["access"]),
        (&json!("acc"), &json!("access-b-4"))
    );
    assert!(
        file["anthropic"]["expires"].as_u64() > Some(1_700_000_000_000),
        "{}",
        file["anthropic"]["expires"]
    );
    // A login with the tool is one of its field's account.
    let login = world.provider.grant("b", HOUR);
    let login: Value = serde_json::from_str(&login).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("access-b-4", login["access_token"].as_str().unwrap());
    fs::write(&path, text.replace("refresh-b-4", login["refresh_token"].as_str().unwrap())).unwrap();
    checks_pass().await;
    let served = replica.token(&b).await.unwrap();
    assert_eq!(served.expose_secret(), login["access_token"].as_str().unwrap());
    assert_eq!(replica.token(&a).await.unwrap().expose_secret(), "access-a-3");
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_not_there_is_neither_made_nor_are_others_touched() {
    let world = World::new();
    let (a, b) = (world.log_in("a", HOUR).await, world.log_in("b", HOUR).await);
    let home = Home::new();
    let path = home.path("auth.json");
    let _replica = mirroring_fields(&world, [&a, &b], &path).await;
    checks_pass().await;
    assert!(home.names().is_empty(), "the first login is the tool's");
    for text in
        [opencode("a-1", "b-2").replace("openai", "other"), "[]".to_owned(), "{\"openai\": {}}".to_owned()]
    {
        fs::write(&path, &text).unwrap();
        checks_pass().await;
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
