//! Reading accounts out, and comparing copies of them.

use std::time::Duration;

use solekey::{AccountError, Exported, SealKeys, TokenError};
use solekey_core::{Account, Credential, ExposeSecret as _, Relation, ports::Clock as _};
use solekey_testkit::memory::TestClock;

use crate::fixture::{HOUR, World, account, policy, seal};

/// A document with these tokens, in a shape that the account does not have.
fn copy(access: &str, refresh: Option<&str>) -> Credential {
    let refresh = refresh.map_or_else(String::new, |refresh| format!(r#","refresh_token":"{refresh}""#));
    let document = format!(r#"{{"tokens":{{"access_token":"{access}"{refresh}}}}}"#);
    Credential::import(document.as_bytes(), TestClock::tokio().wall()).unwrap().credential
}

fn access_token(exported: &Exported) -> String {
    exported.expose_credential().unwrap().access_token().unwrap().expose_secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_account_is_exported_as_the_store_has_it_whoever_refreshed_it() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    let before = replica.export(&account).await.unwrap();
    assert_eq!(access_token(&before), "access-a-1");
    let token = world.replica().await.token(&account).await.unwrap();
    let after = replica.export(&account).await.unwrap();
    assert_eq!(access_token(&after), token.expose_secret());
    assert_eq!(after.generation(), Some(token.generation()));
    assert!(after.is_known() && after.is_refreshable());
    let left = after.expires_at().unwrap().duration_since(TestClock::tokio().wall()).unwrap();
    assert!(left.abs_diff(HOUR) < Duration::from_secs(60), "{left:?}");
    assert_eq!(access_token(&before), "access-a-1", "it stays what it was");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_compared_with_the_account_by_its_tokens() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    replica.until_idle(&account).await;
    let exported = replica.export(&account).await.unwrap();
    for (access, refresh, relation) in [
        ("access-a-2", Some("refresh-a-2"), Relation::Same),
        ("access-a-2", None, Relation::Same),
        ("access-a-1", Some("refresh-a-2"), Relation::OtherAccessToken),
        ("access-a-1", Some("refresh-a-1"), Relation::Presented),
        ("access-a-1", None, Relation::AccessTokenOnly),
        ("access-x", Some("refresh-x"), Relation::Unknown),
    ] {
        assert_eq!(exported.relation(&copy(access, refresh)), relation, "{access} {refresh:?}");
    }
    replica.delete(&account).await.unwrap();
    let deleted = replica.export(&account).await.unwrap();
    assert!(deleted.is_known() && !deleted.is_refreshable());
    assert_eq!((deleted.generation(), deleted.expires_at()), (None, None));
    assert!(matches!(deleted.expose_credential(), Err(AccountError::UnknownAccount)));
    let last = copy("access-a-2", Some("refresh-a-2"));
    assert_eq!(deleted.relation(&last), Relation::Presented, "what was held is remembered");
    let unknown = replica.export(&self::account("x")).await.unwrap();
    assert!(!unknown.is_known());
    assert!(matches!(unknown.expose_credential(), Err(AccountError::UnknownAccount)));
    assert_eq!(unknown.relation(&last), Relation::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_exported_is_an_error_of_its_kind() {
    let world = World::new();
    let sealed = world.builder(policy()).seal(seal()).build().await.unwrap();
    let document = world.provider.grant("a", HOUR);
    sealed.login(&account("a"), document.as_bytes(), false).await.unwrap();
    let other = SealKeys::parse("k2:HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=").unwrap();
    let stranger = world.builder(policy()).seal(other).build().await.unwrap();
    let exported = stranger.export(&account("a")).await.unwrap();
    let error = exported.expose_credential().unwrap_err();
    let AccountError::Configuration(TokenError::Configuration { field, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(field, "seal.key");
    // Comparing needs no seal key.
    assert_eq!(exported.relation(&copy("access-a-1", Some("refresh-a-1"))), Relation::Same);
    let elsewhere = Account::new("other", "a").unwrap();
    assert!(matches!(sealed.export(&elsewhere).await, Err(AccountError::UnknownProvider)));
    world.store.faults().leave();
    assert!(matches!(sealed.export(&account("a")).await, Err(AccountError::Store(_))));
    // Whoever has never reached the store does not compare with fingerprints that are not the store's.
    let late = world.replica().await;
    assert!(matches!(late.export(&account("a")).await, Err(AccountError::Store(_))));
    world.store.faults().come_back();
    let exported = late.export(&account("a")).await.unwrap();
    assert_eq!(exported.relation(&copy("access-a-1", Some("refresh-a-1"))), Relation::Same);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_export_is_printed() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let exported = world.replica().await.export(&account).await.unwrap();
    let printed = format!("{exported:?} {exported:#?} {:?}", exported.expose_credential().unwrap());
    assert!(printed.contains("generation"), "{printed}");
    assert!(!printed.contains("access-a") && !printed.contains("refresh-a"), "{printed}");
}

#[tokio::test(start_paused = true)]
async fn an_account_is_idle_when_its_refresh_is_over_and_durable() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    replica.until_idle(&account).await;
    let call = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    replica.start_draining();
    replica.until_idle(&account).await;
    assert_eq!(access_token(&replica.export(&account).await.unwrap()), "access-a-2");
    assert_eq!(call.await.unwrap().unwrap().expose_secret(), "access-a-2");
}
