//! `solekey config`.

use crate::process::{World, command, within};

#[tokio::test]
async fn every_value_is_listed_with_its_origin_and_no_secret() {
    let world = World::new().await;
    let more =
        "client_auth = \"post\"\nclient_secret_env = \"CLIENT_SECRET\"\n[redis]\nurl = \"redis://:hush@h\"\n";
    world.write("solekey.toml", &format!("{}{more}", world.config()));
    let mut check = command(world.folder.path());
    check.args(["config", "check"]).env("CLIENT_SECRET", "hush").env("SOLEKEY_PROVIDER_ACME_MAX_WAIT", "3s");
    let checked = within(check.output()).await.unwrap();
    let (out, err) = (String::from_utf8(checked.stdout).unwrap(), String::from_utf8(checked.stderr).unwrap());
    assert_eq!(checked.status.code(), Some(0), "{err}");
    let lines: Vec<_> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "file listen \"127.0.0.1:0\"",
        "file redis.url set",
        "file provider.acme.client_secret_env \"CLIENT_SECRET\"",
        "environment provider.acme.max_wait \"3s\"",
        "default provider.acme.refresh_ahead \"10m\"",
        "derived provider.acme.quarantine \"1m\"",
    ] {
        assert!(lines.iter().any(|known| known == line), "{line}\n{out}");
    }
    assert!(err.contains("warning: provider.acme: a spent token revokes"), "{err}");
    assert!(!out.contains("hush") && !err.contains("hush"), "{out}{err}");
}

#[tokio::test]
async fn every_problem_is_listed_by_its_key_and_nothing_else() {
    let world = World::new().await;
    let more = "max_wiat = \"8s\"\nskew = \"soon\"\n[redis]\nurl = [\"redis://:hush@h\"]\n";
    let file = world.write("other.toml", &format!("{}{more}", world.config()));
    let checked = world.run(&["config", "check", "--config", &file], "").await;
    assert_eq!((checked.code, checked.out.as_str()), (Some(1), ""), "{checked:?}");
    let lines: Vec<_> = checked.err.lines().collect();
    assert_eq!(lines.len(), 3, "{checked:?}");
    for expected in [
        "solekey: provider.acme.max_wiat: expected a known key: one of `name`",
        "solekey: provider.acme.skew: expected a duration",
        "solekey: redis.url: expected a string",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {checked:?}");
    }
    assert!(!checked.err.contains("hush"), "{checked:?}");
    let url = world.write("url.toml", &format!("{}[redis]\nurl = \"nonsense\"\n", world.config()));
    let unread = world.run(&["config", "check", "--config", &url], "").await;
    assert_eq!(unread.code, Some(1), "{unread:?}");
    assert!(unread.err.starts_with("solekey: redis.url: expected"), "{unread:?}");
    let missing = world.run(&["config", "check", "--config", "absent.toml"], "").await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("absent.toml"), "{missing:?}");
}

#[tokio::test]
async fn the_schema_is_json_that_knows_the_keys() {
    let world = World::new().await;
    let written = world.run(&["config", "schema"], "").await;
    assert_eq!(written.code, Some(0), "{written:?}");
    let schema: serde_json::Value = serde_json::from_str(&written.out).unwrap();
    let provider = &schema["properties"]["provider"]["items"];
    assert_eq!(provider["additionalProperties"], false);
    assert!(provider["properties"]["max_wait"]["description"].is_string(), "{provider}");
}
