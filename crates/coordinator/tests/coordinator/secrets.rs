//! No secret leaves in clear.

use std::time::Duration;

use solekey_core::ports::{Answers as _, Cache as _, Store as _};

use crate::fixture::{World, account, policy, seal};

#[tokio::test(start_paused = true)]
async fn with_a_key_nothing_behind_the_ports_contains_a_token_in_clear() {
    let world = World::new();
    let replica = world.builder(policy()).seal(seal()).build().await.unwrap();
    let document = world.provider.grant("a", Duration::from_secs(1));
    replica.login(&account("a"), document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let token = replica.token(&account("a")).await.unwrap();
    let loaded = world.store.load(&account("a")).await.unwrap().record.unwrap();
    let shared_cache = world.cache.read(&account("a")).await.unwrap().token.unwrap();
    let answer = world.answers.newest(&account("a")).await.unwrap().newest.unwrap();
    for bytes in [loaded.payload.as_bytes(), shared_cache.payload.as_bytes(), answer.payload.as_bytes()] {
        let text = String::from_utf8_lossy(bytes);
        assert!(!bytes.is_empty());
        assert!(!text.contains("access-a") && !text.contains("refresh-a"), "{text}");
    }
    let printed =
        format!("{token:?} {replica:?} {loaded:?} {shared_cache:?} {answer:?} {:?}", token.bearer());
    assert!(!printed.contains("access-a") && !printed.contains("refresh-a"), "{printed}");
}
