//! Processes that share one SQLite file, and nothing else.

use std::{path::Path, sync::Arc};

use solekey::{Change, Changes, Solekey, TokenError};
use solekey_core::{Account, ports::TokenEndpoint};
use solekey_testkit::wait::within;

use crate::fixture::{HOUR, World, account, policy};

async fn process(world: &World, file: &Path) -> Solekey {
    let endpoint = Arc::clone(&world.provider) as Arc<dyn TokenEndpoint>;
    let provider = solekey::Provider::new("acme", policy(), endpoint).unwrap();
    Solekey::embedded(file).provider(provider).without_refresher().build().await.unwrap()
}

async fn heard(changes: &mut Changes, account: &Account) {
    let change = async {
        while !matches!(changes.next().await, Some(Change::Account { key, .. }) if key == account.key()) {}
    };
    within("the change is heard", change).await;
}

#[tokio::test]
async fn a_login_in_one_process_is_known_to_all_before_their_memory_of_its_absence_ends() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("solekey.db");
    let (one, another) = (process(&world, &file).await, process(&world, &file).await);
    for id in ["a", "b", "c"] {
        let account = account(id);
        let absent = another.token(&account).await;
        assert!(matches!(absent, Err(TokenError::UnknownAccount)), "{absent:?}");
        let mut changes = another.subscribe();
        let document = world.provider.grant(id, HOUR);
        one.login(&account, document.as_bytes(), false).await.unwrap();
        heard(&mut changes, &account).await;
        // Asked once: what it remembered of the absent account is over with the notification.
        another.token(&account).await.unwrap();
    }
    assert_eq!(world.provider.presentations(), 0);
}
