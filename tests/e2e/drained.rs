//! A sidecar is asked to end in the middle of a refresh.

use reqwest::StatusCode;
use rustix::process::Signal;
use solekey_testkit::{
    provider::{AuthorizationServer, Fault, Replay},
    redis::redis_for_tests,
};

use crate::{
    sidecar::{Settings, Sidecar, path},
    wait::{eventually, within},
};

async fn drains(head: &str, signal: Signal) {
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let settings = Settings::new(&provider, head);
    let leaving = Sidecar::start(&settings, "leaving", folder.path()).await;
    let staying = Sidecar::start(&settings, "staying", folder.path()).await;
    let (at_hand, due, late) = (provider.grant("at-hand"), provider.grant("due"), provider.grant("late"));
    leaving.log_in("at-hand", &at_hand).await;
    leaving.log_in_due("due", &due).await;
    leaving.log_in_due("late", &late).await;
    assert_eq!(leaving.token("at-hand").await.token(), at_hand.access_token);
    provider.inject(Fault::HoldBefore.on("due"));
    let waiting = leaving.token_in_background("due");
    within("the request", provider.held("due")).await;

    leaving.signal(signal);
    let draining = eventually("it is not ready any more", async || {
        let answer = leaving.get("/readyz").await;
        (answer.status == StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    });
    assert_eq!(draining.await.body["draining"], true);
    assert_eq!(leaving.token("at-hand").await.token(), at_hand.access_token);
    let refused = leaving.token("late").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "refresh_unavailable"));
    assert_eq!(provider.tally_of("late").presentations, 0, "nothing new is claimed");
    provider.release("due");
    let answered = within("an answer", waiting).await.unwrap().unwrap();
    let newest = provider.newest("due").unwrap();
    assert_eq!(answered.token(), newest.access_token);
    let status = leaving.end().await;
    assert_eq!(status.code(), Some(0), "{status}");

    assert_eq!(staying.get(&path("due")).await.body["rotations"], 1);
    assert_eq!(staying.token("due").await.token(), newest.access_token);
    assert_eq!(provider.tally_of("due").presentations, 1);
    assert_eq!(staying.token("late").await.token(), provider.newest("late").unwrap().access_token);
    assert_eq!((provider.presentations(), provider.double_presentations()), (2, 0));
    staying.stop().await;
}

#[tokio::test]
async fn sigterm_in_the_middle_drains_and_a_token_at_hand_is_still_served() {
    let redis = redis_for_tests().await.unwrap();
    let head = format!("[redis]\nurl = \"{}\"\nprefix = \"{}\"", redis.url, redis.prefix);
    drains(&head, Signal::TERM).await;
}

#[tokio::test]
async fn an_interrupt_in_the_middle_drains_without_redis_as_well() {
    drains("", Signal::INT).await;
}
