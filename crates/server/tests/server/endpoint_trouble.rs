//! Token endpoints that answer what no token endpoint should.

use reqwest::StatusCode;
use solekey_testkit::{
    provider::{AuthorizationServer, Fault, Replay, Reply},
    wait::eventually,
};

use crate::fixture::{World, account, token, within};

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_leaves_the_credential_alone() {
    let html = Reply::Html(StatusCode::OK);
    for (fault, code) in [
        (Fault::Answer(html), (401, "reauth_required")),
        (Fault::Answer(Reply::Html(StatusCode::BAD_GATEWAY)), (503, "refresh_unavailable")),
        (Fault::Answer(Reply::Html(StatusCode::FORBIDDEN)), (503, "refresh_unavailable")),
        (Fault::Answer(Reply::NoAccessToken200), (401, "reauth_required")),
        (Fault::Answer(Reply::Garbage200), (401, "reauth_required")),
        (Fault::Answer(Reply::Empty200), (401, "reauth_required")),
        (Fault::Answer(Reply::RedirectLoop), (503, "refresh_unavailable")),
        (Fault::Answer(Reply::Huge), (503, "refresh_unavailable")),
        (Fault::Answer(Reply::Slack), (401, "reauth_required")),
        (Fault::Answer(Reply::InvalidClient), (503, "refresh_unavailable")),
        (Fault::LoseAnswer, (503, "refresh_unavailable")),
        (Fault::Truncate, (503, "refresh_unavailable")),
        (Fault::Answer(Reply::InvalidGrant), (401, "reauth_required")),
    ] {
        let world = World::of(Replay::Strict).await;
        let sidecar = world.sidecar_with("max_wait = \"300ms\"").await;
        sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
        let before = sidecar.state("alice").await;
        world.provider.inject(fault.clone().once());

        // A caller on a busy machine may be asked to come again before anything has been presented.
        let answer = eventually(&format!("{code:?} for {fault:?}"), async || {
            let answer = sidecar.get(&token("alice")).await;
            if answer.code() == code { Ok(answer) } else { Err(answer.body) }
        })
        .await;
        let answered = |provider: &AuthorizationServer| {
            provider.presentations() > 0 && provider.log().iter().all(|line| line.end_ms.is_some())
        };
        within(world.provider.wait_until(answered)).await;
        assert_eq!(answer.headers.contains_key("retry-after"), answer.status == 503, "{fault:?}");
        let after = sidecar.get(&account("alice")).await;
        for kept in ["generation", "rotations", "refreshable"] {
            assert_eq!(after.body[kept], before[kept], "{fault:?}: {kept}");
        }
        assert_eq!(world.provider.presentations(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn an_endpoint_nobody_listens_at_is_no_verdict_about_the_account() {
    let world = World::new().await;
    let sidecar = world.sidecar_with("max_wait = \"300ms\"").await;
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
    let World { provider, folder: _folder } = world;
    provider.stop().await;

    let answer = sidecar.get(&token("alice")).await;
    assert_eq!(answer.code(), (503, "refresh_unavailable"));
    assert_ne!(sidecar.state("alice").await["status"], "login_needed");
}
