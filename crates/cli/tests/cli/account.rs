//! `solekey account`.

use serde_json::{Value, json};

use crate::process::{Ended, Serving, World, client, document};

async fn account(world: &World, serving: &Serving, args: &[&str], input: &str) -> Ended {
    let args = [&["account", "--url", &serving.url], args].concat();
    world.run(&args, input).await
}

const ALICE: [&str; 4] = ["--provider", "acme", "--id", "alice"];

#[tokio::test]
async fn an_account_goes_through_its_whole_life() {
    let world = World::new().await;
    let serving = world.serve().await;
    let pair = world.provider.grant("alice");
    let codex = json!({
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": "e30.e30.x", "access_token": pair.access_token, "refresh_token": pair.refresh_token,
            "account_id": "acc-1",
        },
        "last_refresh": "2026-11-20T10:00:00.000000Z",
    })
    .to_string();
    let file = world.write("auth.json", &codex);
    let run =
        async |args: &[&str], input: &str| account(&world, &serving, &[args, &ALICE].concat(), input).await;

    let first = run(&["import", &file], "").await;
    let line = format!("new\tacme/alice\tcodex_auth\tend unknown\trefreshable\t{file}\n");
    assert_eq!((first.code, first.out.as_str()), (Some(0), line.as_str()), "{first:?}");
    let again = run(&["import", "-"], &codex).await;
    assert!(again.code == Some(0) && again.out.starts_with("unchanged\tacme/alice\t"), "{again:?}");

    let shown = run(&["show"], "").await;
    let state: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((&state["id"], &state["rotations"]), (&json!("alice"), &json!(0)));
    let refreshed = run(&["refresh"], "").await;
    assert!(refreshed.out.starts_with("refreshed, generation "), "{refreshed:?}");
    assert_eq!(world.provider.rotations(), 1);

    let listed = account(&world, &serving, &["list"], "").await;
    assert!(listed.out.starts_with("acme\talice\tfresh\t"), "{listed:?}");
    let spent = run(&["import", &file], "").await;
    assert_eq!(spent.code, Some(1));
    assert!(spent.err.starts_with("solekey: already_presented: "), "{spent:?}");
    let insisted = run(&["import", &file, "--accept-spent"], "").await;
    assert!(insisted.out.starts_with("new\tacme/alice\t"), "{insisted:?}");

    let removed = run(&["remove"], "").await;
    assert_eq!((removed.code, removed.out.as_str()), (Some(0), "removed\n"));
    let gone = run(&["show"], "").await;
    assert_eq!((gone.code, gone.err.as_str()), (Some(1), "solekey: unknown_account: unknown account\n"));

    let next = world.provider.newest("alice").unwrap();
    let printed: String = [first, again, shown, refreshed, listed, spent, insisted]
        .map(|ended| ended.out + &ended.err)
        .concat();
    for secret in [pair.access_token, pair.refresh_token, next.access_token, next.refresh_token] {
        assert!(!printed.contains(&secret), "{printed}");
    }
}

#[tokio::test]
async fn a_list_has_a_line_for_every_account_of_every_page() {
    let world = World::new().await;
    let serving = world.serve().await;
    let client = client();
    for number in 0..103 {
        let id = format!("user-{number}@example.com");
        let url = format!("{}/v1/accounts/acme/{id}", serving.url);
        let put = client.put(url).body(document(&world.provider.grant(&id))).send().await.unwrap();
        assert_eq!(put.status(), 201);
    }
    let listed = account(&world, &serving, &["list", "--provider", "acme", "--json"], "").await;
    let mut ids: Vec<_> = listed
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 103);
}

#[tokio::test]
async fn hostile_ids_arrive_as_they_are() {
    let world = World::new().await;
    let serving = world.serve().await;
    for id in ["org/team/alice", "a?b#c", "%2e%2e", "J\u{fc}rgen \u{2603}", "a b+c", "-"] {
        let id_arg = format!("--id={id}");
        let args = ["import", "-", "--provider", "acme", &id_arg];
        let imported = account(&world, &serving, &args, &document(&world.provider.grant(id))).await;
        assert!(imported.out.starts_with("new\t"), "{id}: {imported:?}");
        let shown = account(&world, &serving, &["show", "--provider", "acme", &id_arg], "").await;
        assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap()["id"], id);
    }
    let dots = account(&world, &serving, &["show", "--provider", "acme", "--id", ".."], "").await;
    assert_eq!((dots.code, dots.err.as_str()), (Some(1), "solekey: an account called . or .. has no URL\n"));
}

#[tokio::test]
async fn what_goes_wrong_is_reported_in_a_line_and_in_the_exit_status() {
    let world = World::new().await;
    let serving = world.serve().await;
    let run =
        async |args: &[&str], input: &str| account(&world, &serving, &[args, &ALICE].concat(), input).await;
    for (ended, expected) in [
        (run(&["import", "-"], "{}").await, "invalid_input: access_token: expected"),
        (run(&["import", "-"], "<html>").await, "invalid_input: document: expected"),
        (
            run(&["import", "-"], &"x".repeat(2 * 1024 * 1024)).await,
            "invalid_input: document: expected a JSON object",
        ),
        (run(&["import", "absent.json"], "").await, "cannot read absent.json"),
        (run(&["refresh"], "").await, "unknown_account"),
        (account(&world, &serving, &["list", "--provider", "other"], "").await, "unknown_provider"),
        (world.run(&["account", "--url", "nonsense", "list"], "").await, "--url: expected"),
        (
            world.run(&["account", "--url", "http://127.0.0.1:1", "list"], "").await,
            "no answer from a sidecar",
        ),
    ] {
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.err.starts_with(&format!("solekey: {expected}")), "{expected}: {ended:?}");
    }
    let usage = world.run(&["account", "import", "-"], "").await;
    assert_eq!(usage.code, Some(2), "{usage:?}");
    let listed = account(&world, &serving, &["list"], "").await;
    assert_eq!((listed.code, listed.out.as_str()), (Some(0), ""), "nothing was taken in");
}

#[tokio::test]
async fn an_account_is_explained_in_sentences_or_as_json() {
    let world = World::new().await;
    let serving = world.serve().await;
    let pair = world.provider.grant("alice");
    let document =
        json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token, "expires_in": 3600});
    account(&world, &serving, &[&["import", "-"], &ALICE[..]].concat(), &document.to_string()).await;
    let explain = async |args: &[&str]| {
        world.run(&[&["explain", "--url", &serving.url], &ALICE[..], args].concat(), "").await
    };

    let explained = explain(&[]).await;
    assert_eq!(explained.code, Some(0), "{explained:?}");
    assert!(explained.out.starts_with("acme/alice is at generation "), "{explained:?}");
    assert!(explained.out.contains("Next: nothing until the account is due, in "), "{explained:?}");
    let machine: Value = serde_json::from_str(&explain(&["--json"]).await.out).unwrap();
    assert_eq!((&machine["state"]["status"], &machine["next"]["step"]), (&json!("fresh"), &json!("serve")));
    let nobody =
        world.run(&["explain", "--url", &serving.url, "--provider", "acme", "--id", "nobody"], "").await;
    assert_eq!((nobody.code, nobody.err.as_str()), (Some(1), "solekey: unknown_account: unknown account\n"));
    assert_eq!(world.provider.presentations(), 0, "nothing was presented");
}
