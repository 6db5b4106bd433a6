//! The end of a sidecar.

use solekey_testkit::provider::Fault;

use crate::fixture::{Answer, Sidecar, World, account, document, token, until, within};

#[tokio::test]
async fn a_refresh_that_was_sent_is_waited_for_and_tokens_at_hand_are_served_meanwhile() {
    let world = World::new().await;
    let mut sidecar = world.sidecar().await;
    let idle = world.provider.grant("idle");
    sidecar.log_in("idle", &idle).await;
    sidecar.log_in_expired("busy", &world.provider.grant("busy")).await;
    sidecar.log_in_expired("late", &world.provider.grant("late")).await;
    assert_eq!(sidecar.get(&token("idle")).await.status, 200);
    world.provider.inject(Fault::HoldAfter.once().on("busy"));
    let asking = tokio::spawn({
        let request = sidecar.request(reqwest::Method::GET, &token("busy"));
        async move { Answer::of(request).await }
    });
    within(world.provider.held("busy")).await;

    sidecar.ask_to_stop();
    until(async || sidecar.get("/readyz").await.status == 503).await;
    assert_eq!(sidecar.get("/readyz").await.body["draining"], true);
    assert_eq!(sidecar.get("/healthz").await.status, 200);
    assert_eq!(sidecar.get(&token("idle")).await.access_token(), idle.access_token);
    assert_eq!(sidecar.get(&token("late")).await.code(), (503, "refresh_unavailable"));
    let login = sidecar.put(&account("new"), document(&world.provider.grant("new"), 60)).await;
    assert_eq!(login.code(), (503, "refresh_unavailable"));

    world.provider.release("busy");
    let newest = world.provider.newest("busy").unwrap().access_token;
    assert_eq!(within(asking).await.unwrap().access_token(), newest);
    let address = sidecar.address.clone();
    assert_eq!(sidecar.ended().await.in_doubt, 0);
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "nobody listens any more");

    let next = world.sidecar().await;
    assert_eq!(next.get(&token("busy")).await.access_token(), newest);
    assert_eq!((world.provider.presentations(), world.provider.double_presentations()), (1, 0));
}

#[tokio::test]
async fn an_idle_sidecar_ends_at_once() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    // A connection that is kept alive does not hold it up.
    assert_eq!(sidecar.get("/healthz").await.status, 200);
    assert_eq!(sidecar.ended().await.in_doubt, 0);
}

#[tokio::test]
async fn the_last_refresh_of_a_sidecar_is_in_its_mirrored_file() {
    let world = World::new().await;
    let tool = tempfile::tempdir().unwrap();
    let path = tool.path().join("auth.json");
    let mirror =
        format!("[[mirror]]\nprovider = \"acme\"\naccount = \"busy\"\npath = \"{}\"\n", path.display());
    let mut sidecar = Sidecar::start(&format!("{}{mirror}", world.config())).await;
    sidecar.log_in_expired("busy", &world.provider.grant("busy")).await;
    world.provider.inject(Fault::HoldAfter.once().on("busy"));
    let asking = tokio::spawn({
        let request = sidecar.request(reqwest::Method::GET, &token("busy"));
        async move { Answer::of(request).await }
    });
    within(world.provider.held("busy")).await;
    sidecar.ask_to_stop();
    until(async || sidecar.get("/readyz").await.status == 503).await;
    world.provider.release("busy");
    let newest = world.provider.newest("busy").unwrap();
    assert_eq!(within(asking).await.unwrap().access_token(), newest.access_token);
    assert_eq!(sidecar.ended().await.in_doubt, 0);
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(file.contains(&newest.access_token) && file.contains(&newest.refresh_token));
}
