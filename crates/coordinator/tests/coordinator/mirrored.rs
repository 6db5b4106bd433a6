//! Files of command line tools, kept fresh, and what other programs do to them meanwhile.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use solekey::{Login, Solekey};
use solekey_core::{Account, ports::Store as _};
use tempfile::TempDir;

use crate::fixture::{HOUR, World, account, policy, seal};

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

async fn mirroring(world: &World, account: &Account, path: &Path) -> Solekey {
    world.builder(policy()).mirror(account.clone(), path).build().await.unwrap()
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

/// As long as several looks take.
async fn looks_pass() {
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
    looks_pass().await;
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
    looks_pass().await;
    replica.refresh(&account, None).await.unwrap();
    comes_to_hold(&path, "access-a-3").await;
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_news_a_file_follows_by_looking() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    let home = Home::new();
    let path = home.path(".credentials.json");
    fs::write(&path, claude("access-a-1", "refresh-a-1")).unwrap();
    let _mirror = world.embedded(policy()).mirror(account.clone(), &path).build().await.unwrap();
    looks_pass().await;
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
    looks_pass().await;
    replica.refresh(&account, None).await.unwrap();
    looks_pass().await;
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
    looks_pass().await;
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    comes_to_hold(&path, "access-a-2").await;
    assert_eq!(json(&path)["own"], json!([1.5]), "the rest of the file is whoever wrote it last");

    let generation = replica.token(&account).await.unwrap().generation();
    world.provider.grant("a", HOUR);
    fs::write(&path, codex("access-a-3", "refresh-a-3")).unwrap();
    looks_pass().await;
    let token = replica.token(&account).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-3");
    assert!(token.generation() > generation);
    assert_eq!(fs::read_to_string(&path).unwrap(), codex("access-a-3", "refresh-a-3"), "nothing to write");
    assert_eq!(world.provider.doubles(), 0);
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
    looks_pass().await;
    // Its token has ended, by its own account.
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    comes_to_hold(&path, "access-a-2").await;
    replica.delete(&account).await.unwrap();
    looks_pass().await;
    assert!(replica.state(&account).await.is_err(), "what is left in the file does not bring it back");
}

#[tokio::test(start_paused = true)]
async fn n_11_a_login_in_the_file_during_a_refresh_wins() {
    let (world, account) = World::overdue().await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    looks_pass().await;
    world.provider.close();
    let call = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
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
    looks_pass().await;
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
        looks_pass().await;
        replica.refresh(&account, None).await.unwrap();
        looks_pass().await;
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
    let replica = world
        .builder(policy())
        .mirror(one.clone(), &path)
        .mirror(other.clone(), &second)
        .build()
        .await
        .unwrap();
    looks_pass().await;
    replica.refresh(&other, None).await.unwrap();
    replica.refresh(&one, None).await.unwrap();
    comes_to_hold(&second, "access-b-3").await;
    looks_pass().await;
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
    looks_pass().await;
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
    looks_pass().await;
    assert_eq!(home.names(), [".auth.json.solekey-2", "auth.json", "auth.json.bak"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), codex("access-a-1", "refresh-a-1"));
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
    let replica = world
        .builder(policy())
        .mirror(account.clone(), home.path("link.json"))
        .mirror(account.clone(), home.path("folder.json"))
        .mirror(account.clone(), &nowhere)
        // Not even root writes there.
        .mirror(account.clone(), "/proc/self/auth.json")
        .build()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    looks_pass().await;
    assert_eq!(fs::read_to_string(&target).unwrap(), codex("access-a-1", "refresh-a-1"));
    fs::create_dir(home.path("missing")).unwrap();
    comes_to_hold(&nowhere, "access-a-2").await;
}

#[tokio::test(start_paused = true)]
async fn the_last_refresh_before_a_shutdown_is_in_the_file() {
    let (world, account) = World::overdue().await;
    let home = Home::new();
    let path = home.path("auth.json");
    fs::write(&path, codex("access-a-1", "refresh-a-1")).unwrap();
    let replica = mirroring(&world, &account, &path).await;
    looks_pass().await;
    let call = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    replica.shutdown(Duration::from_secs(10)).await;
    assert_eq!(call.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert!(fs::read_to_string(&path).unwrap().contains("access-a-2"));
}

#[tokio::test(start_paused = true)]
async fn a_sealed_account_is_mirrored_and_a_wish_that_cannot_be_met_is_refused_by_name() {
    let world = World::new();
    let home = Home::new();
    let path = home.path("auth.json");
    let replica = world.builder(policy()).seal(seal()).mirror(account("a"), &path).build().await.unwrap();
    let document = world.provider.grant("a", HOUR);
    let login = replica.login(&account("a"), document.as_bytes(), false).await.unwrap();
    assert!(matches!(login, Login::New { .. }));
    comes_to_hold(&path, "access-a-1").await;
    let other = Account::new("other", "a").unwrap();
    for (builder, field) in [
        (world.builder(policy()).mirror(account("a"), "auth.json"), "mirror.path"),
        (world.builder(policy()).mirror(account("a"), "/"), "mirror.path"),
        (world.builder(policy()).mirror(account("a"), &path).mirror(account("b"), &path), "mirror.path"),
        (world.builder(policy()).mirror(other, &path), "mirror.provider"),
    ] {
        let error = builder.build().await.unwrap_err();
        assert!(matches!(&error, solekey::BuildError::Input(input) if input.field() == field), "{error:?}");
    }
}
