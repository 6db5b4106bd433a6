//! Seal keys.

use serde_json::json;
use solekey_server::Environment;

use crate::fixture::{Sidecar, World, account, document, files, token};

const ONE: &str = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const OTHER: &str = "b:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

async fn sealed(world: &World, ring: &str) -> Sidecar {
    let environment: Environment = [("SOLEKEY_SEAL_KEY", ring)].into_iter().collect();
    let config = format!("{}[seal]\nkey_env = \"SOLEKEY_SEAL_KEY\"\n", world.config());
    Sidecar::start_in(&config, &environment).await.unwrap()
}

#[tokio::test]
async fn a_wrong_key_is_a_mistake_that_changes_nothing() {
    let world = World::new().await;
    let pair = world.provider.grant("alice");
    let sidecar = sealed(&world, ONE).await;
    sidecar.log_in("alice", &pair).await;
    sidecar.ended().await;

    let sidecar = sealed(&world, OTHER).await;
    for answer in [
        sidecar.get(&token("alice")).await,
        sidecar.put(&account("alice"), document(&world.provider.grant("alice"), 60)).await,
        sidecar.post(&format!("{}/refresh", account("alice")), "").await,
        sidecar.delete(&account("alice")).await,
    ] {
        assert_eq!((answer.code(), answer.field()), ((500, "misconfigured"), "seal.key"), "{answer:?}");
    }
    let ready = sidecar.get("/readyz").await;
    assert_eq!((ready.status, &ready.body["ready"]), (503, &json!(false)));
    assert!(ready.text("mistake").contains("seal.key"), "{ready:?}");
    assert_eq!(sidecar.get("/healthz").await.status, 200);
    sidecar.ended().await;
    assert_eq!(world.provider.presentations(), 0);

    let sidecar = sealed(&world, &format!("{OTHER},{ONE}")).await;
    assert_eq!(
        sidecar.get(&token("alice")).await.access_token(),
        pair.access_token,
        "a ring opens with every key"
    );
}

#[tokio::test]
async fn no_token_is_on_disk_in_clear() {
    let world = World::new().await;
    let sidecar = sealed(&world, ONE).await;
    let pair = world.provider.grant("alice");
    sidecar.log_in_expired("alice", &pair).await;
    assert_eq!(sidecar.get(&token("alice")).await.status, 200);
    let next = world.provider.newest("alice").unwrap();
    let written = files(world.folder.path());
    assert!(written.len() > 1, "{written:?}");
    for secret in [pair.access_token, pair.refresh_token, next.access_token, next.refresh_token] {
        for (path, bytes) in &written {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{path}");
        }
    }
}
