//! A store that takes its time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use crate::{
    fleet::{Fleet, Mode, Plan, account, newer},
    stops::HinderedStore,
    wait::within,
};

const LAG: Duration = Duration::from_secs(2);
const LIFETIME: Duration = Duration::from_mins(1);
/// Far less than the lag, more than a busy machine needs between two lines.
const NOTHING: Duration = Duration::from_secs(1);

async fn fleet_with_a_slow_store() -> Fleet {
    let plan = Plan { mode: Mode::Embedded, replicas: 0, lifetime: LIFETIME, ..Plan::default() };
    let mut fleet = Fleet::start(plan).await;
    let slow = Arc::new(HinderedStore {
        inner: fleet.blueprint.rows().await,
        stop: None,
        lag: LAG,
        loads: Arc::default(),
    });
    fleet.replicas.push(fleet.blueprint.builder_over(slow).await.build().await.unwrap());
    fleet.join().await;
    fleet
}

#[tokio::test]
async fn a_token_that_is_logged_in_slowly_ends_no_later_than_its_document_says() {
    let fleet = fleet_with_a_slow_store().await;
    let end = SystemTime::now() + LIFETIME;
    let pair = fleet.provider.grant("a");
    let expires_at = end.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let document = json!({
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_at": expires_at,
    });
    let account = account("a");
    within("the login", fleet.first().login(&account, document.to_string().as_bytes(), false)).await.unwrap();
    for replica in &fleet.replicas {
        let token = within("a token", replica.token(&account)).await.unwrap();
        assert_eq!(token.expose_secret(), pair.access_token);
        assert!(token.expires_at().unwrap() < end + NOTHING);
    }
    fleet.shut_down().await;
}

#[tokio::test]
async fn a_token_that_is_committed_slowly_ends_no_later_than_the_provider_specified() {
    let fleet = fleet_with_a_slow_store().await;
    let (account, _) = fleet.log_in_due("a").await;
    let before = fleet.state(&account).await.generation;
    let presented = async {
        within("a rotation", fleet.provider.wait_until(|provider| provider.rotations() == 1)).await;
        SystemTime::now() + LIFETIME
    };
    let (token, end) = tokio::join!(newer(fleet.first(), &account, before), presented);
    assert!(token.expires_at().unwrap() < end + NOTHING);
    for replica in &fleet.replicas {
        let token = newer(replica, &account, before).await;
        assert!(token.expires_at().unwrap() < end + NOTHING);
    }
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}
