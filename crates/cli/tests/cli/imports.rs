//! `solekey account import` and `export` with files as people have them.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::process::{Ended, Serving, World};

async fn account(world: &World, serving: &Serving, args: &[&str]) -> Ended {
    world.run(&[&["account", "--url", &serving.url], args].concat(), "").await
}

fn lines(ended: &Ended) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> =
        ended.out.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn files_and_folders_are_imported_with_a_line_for_each_account() {
    let world = World::new().await;
    let serving = world.serve().await;
    let folder = world.folder.path().join("accounts");
    std::fs::create_dir_all(folder.join("inner")).unwrap();
    let write = |name: &str, value: &Value| std::fs::write(folder.join(name), value.to_string()).unwrap();
    let pair = |id: &str| world.provider.grant(id);
    let (one, two, three) = (pair("1"), pair("2"), pair("3"));
    write(
        "codex-one.json",
        &json!({"access_token": one.access_token, "refresh_token": one.refresh_token, "email": "one@x.y",
                "type": "codex", "expired": "2035-01-01T00:00:00Z"}),
    );
    write(
        "inner/export.json",
        &json!({"type": "sub2api-data", "accounts": [
            {"name": "two", "platform": "openai", "type": "oauth", "credentials":
                {"access_token": two.access_token, "refresh_token": two.refresh_token, "expires_at": "2051222400"}},
            {"name": "key", "platform": "openai", "type": "apikey", "credentials": {"api_key": "k"}},
        ]}),
    );
    write("kiro.json", &json!({"accessToken": three.access_token}));
    write("settings.json", &json!({"theme": "dark"}));
    std::fs::write(folder.join("notes.txt"), "{}").unwrap();
    symlink(folder.join("kiro.json"), folder.join("linked.json")).unwrap();

    let done =
        account(&world, &serving, &["import", &folder.display().to_string(), "--provider", "acme"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let of = |name: &str| folder.join(name).display().to_string();
    let lines = lines(&done);
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert_eq!(lines[0][..2], ["ignored".to_owned(), format!("{}: accounts[1]", of("inner/export.json"))]);
    assert_eq!(lines[1][..2], ["ignored".to_owned(), of("settings.json")]);
    for (line, expected) in lines[2..].iter().zip([
        ["new", "acme/kiro", "camel_case", "end unknown", "not refreshable"],
        ["new", "acme/one@x.y", "flat", "ends 2035-01-01T00:00:00Z", "refreshable"],
        ["new", "acme/two", "gateway_account", "ends 2035-01-01T00:00:00Z", "refreshable"],
    ]) {
        assert_eq!(line[..5], expected.map(str::to_owned), "{lines:#?}");
    }
    assert!(!done.out.contains(&one.access_token) && !done.out.contains(&two.refresh_token), "{done:?}");

    let again = account(&world, &serving, &["import", &of("codex-one.json"), "--provider", "acme"]).await;
    assert_eq!((again.code, again.out.split('\t').next()), (Some(0), Some("unchanged")), "{again:?}");
    let nobody = account(&world, &serving, &["import", &of("kiro.json")]).await;
    assert!(nobody.err.contains("--provider"), "{nobody:?}");
    let bad = folder.join("list.json");
    std::fs::write(&bad, r#"[{"access_token":"a","email":"e"},{"access_token":" b","email":"f"}]"#).unwrap();
    let several =
        account(&world, &serving, &["import", &of("list.json"), &of("kiro.json"), "--id", "x"]).await;
    assert!(several.err.contains("--id: expected one account"), "{several:?}");
    let bad = account(&world, &serving, &["import", &bad.display().to_string(), "--provider", "acme"]).await;
    assert!(bad.code == Some(1) && bad.out.contains("refused\t"), "{bad:?}");
    assert!(bad.err.contains("1 of 2 accounts were refused"), "{bad:?}");
    let unknown = account(&world, &serving, &["import", &of("settings.json"), "--provider", "acme"]).await;
    assert!(unknown.err.contains("codex_auth") && unknown.out.is_empty(), "{unknown:?}");
}

#[tokio::test]
async fn two_grants_of_one_name_are_named_after_their_files_or_refused() {
    let world = World::new().await;
    let serving = world.serve().await;
    let folder = world.folder.path().join("accounts");
    std::fs::create_dir_all(&folder).unwrap();
    let document = |id: &str| {
        let pair = world.provider.grant(id);
        json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token, "email": "a@b.c",
               "account_id": id})
    };
    let (plus, team) = (document("plus"), document("team"));
    std::fs::write(folder.join("codex-plus.json"), plus.to_string()).unwrap();
    std::fs::write(folder.join("codex-team.json"), team.to_string()).unwrap();
    let import = ["import", &folder.display().to_string(), "--provider", "acme"];
    let done = account(&world, &serving, &import).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let names: Vec<String> = lines(&done).into_iter().map(|line| line[1].clone()).collect();
    assert_eq!(names, ["acme/codex-plus", "acme/codex-team"]);

    // A copy of an older state is none of another workspace.
    std::fs::write(folder.join("codex-team.json"), document("plus").to_string()).unwrap();
    let older = account(&world, &serving, &import).await;
    assert!(older.code == Some(1) && older.out.matches("--id").count() == 2, "{older:?}");

    let list = world.write("list.json", &json!([document("one"), document("two")]).to_string());
    let refused = account(&world, &serving, &["import", &list, "--provider", "acme"]).await;
    assert!(refused.code == Some(1) && refused.out.contains("--id"), "{refused:?}");
    // The same one twice is one.
    let one = document("same");
    let twice = world.write("twice.json", &json!([one, one]).to_string());
    let done = account(&world, &serving, &["import", &twice, "--provider", "acme"]).await;
    let effects: Vec<String> = lines(&done).into_iter().map(|line| line[..2].join(" ")).collect();
    assert_eq!(effects, ["new acme/a@b.c", "unchanged acme/a@b.c"], "{done:?}");
}

#[tokio::test]
async fn of_a_file_with_accounts_of_several_providers_those_of_the_named_one_are_taken() {
    let world = World::new().await;
    world.write("solekey.toml", &world.config().replace("acme", "claude"));
    let serving = Serving::start(crate::process::command(world.folder.path()).arg("serve")).await;
    let (mine, other) = (world.provider.grant("mine"), world.provider.grant("other"));
    let entry = |pair: &solekey_testkit::provider::Pair| json!({"type": "oauth", "access": pair.access_token, "refresh": pair.refresh_token, "expires": 2_051_222_400_000_u64});
    let opencode =
        json!({"anthropic": entry(&mine), "openai": entry(&other), "groq": {"type": "api", "key": "k"}});
    let file = world.write("auth.json", &opencode.to_string());
    let done = account(&world, &serving, &["import", &file, "--provider", "claude", "--id", "me"]).await;
    let lines = lines(&done);
    assert!(
        lines.iter().any(|line| line[..3] == ["new", "claude/me", "open_code"].map(str::to_owned)),
        "{done:?}"
    );
    assert!(lines.iter().any(|line| line[0] == "ignored" && line[2].contains("openai")), "{done:?}");

    let to = world.folder.path().join("exported.json");
    let export = ["export", "--provider", "claude", "--id", "me", "--to", &to.display().to_string()];
    let exported = account(&world, &serving, &export).await;
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(!exported.out.contains(&mine.refresh_token), "{exported:?}");
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let document: Value = serde_json::from_slice(&std::fs::read(&to).unwrap()).unwrap();
    assert_eq!(document, json!({"anthropic": entry(&mine)}));
    let again = account(&world, &serving, &export).await;
    assert!(again.code == Some(1) && again.err.contains("something is there already"), "{again:?}");
    let link = world.folder.path().join("link.json");
    symlink(world.folder.path().join("elsewhere.json"), &link).unwrap();
    let export = ["export", "--provider", "claude", "--id", "me", "--to", &link.display().to_string()];
    assert_eq!(account(&world, &serving, &export).await.code, Some(1));
    assert!(!world.folder.path().join("elsewhere.json").exists());
}

#[tokio::test]
async fn a_document_for_which_the_disk_has_no_room_leaves_no_half_of_a_file() {
    let world = World::new().await;
    let serving = world.serve().await;
    let pair = world.provider.grant("alice");
    let file = world.write("pair.json", &crate::process::document(&pair));
    let who = ["--provider", "acme", "--id", "alice"];
    let imported = account(&world, &serving, &[&["import", &file], &who[..]].concat()).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let to = world.folder.path().join("exported.json");
    // No file may grow: what a write to a full disk finds.
    let full = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell.args(["-c", full, env!("CARGO_BIN_EXE_solekey"), "account", "--url", &serving.url, "export"]);
    shell.args(who).args(["--to", &to.display().to_string()]).env_clear();
    let refused = shell.output().await.unwrap();
    let err = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && err.contains("exported.json"), "{refused:?}");
    assert!(!to.exists());
}

#[tokio::test]
async fn a_refresh_succeeds_where_requests_do_not_wait() {
    let world = World::new().await;
    world.write("solekey.toml", &format!("{}max_wait = \"0s\"\n", world.config()));
    let serving = Serving::start(crate::process::command(world.folder.path()).arg("serve")).await;
    let pair = world.provider.grant("alice");
    let file = world.write("pair.json", &crate::process::document(&pair));
    let who = ["--provider", "acme", "--id", "alice"];
    let imported = account(&world, &serving, &[&["import", &file], &who[..]].concat()).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let refreshed = account(&world, &serving, &[&["refresh"], &who[..]].concat()).await;
    assert_eq!(refreshed.code, Some(0), "{refreshed:?}");
    assert!(refreshed.out.starts_with("refreshed, generation "), "{refreshed:?}");
    assert_eq!(world.provider.rotations(), 1);
}

#[tokio::test]
async fn what_answers_with_a_redirect_gets_no_document_twice() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: {url}/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (end, mut ended) = tokio::sync::oneshot::channel::<()>();
    let redirecting = tokio::spawn(async move {
        let mut heads = Vec::new();
        loop {
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                _ = &mut ended => return heads,
            };
            let (mut connection, mut head) = (accepted.unwrap().0, vec![0; 8192]);
            let read = connection.read(&mut head).await.unwrap();
            heads.push(String::from_utf8_lossy(&head[..read]).into_owned());
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let file = world.write("pair.json", &crate::process::document(&world.provider.grant("alice")));
    let import = ["account", "--url", &url, "import", &file, "--provider", "acme", "--id", "alice"];
    let imported = world.run(&import, "").await;
    assert_eq!(imported.code, Some(1), "{imported:?}");
    end.send(()).unwrap();
    let heads = redirecting.await.unwrap();
    assert!(heads.len() == 1 && !heads[0].contains(" /x "), "{heads:?}");
}
