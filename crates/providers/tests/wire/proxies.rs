//! Proxies: those of the environment are ignored, the configured one is used.

use std::process::Command;

use reqwest::header::HeaderValue;
use solekey_core::{ports::Wire, secret};
use solekey_providers::{CodeAssist, EndpointSettings};

use crate::{
    AMPLE, ask, at, settings,
    stub::{Stub, json},
};

/// Set for the process that has proxies in its environment.
const CHILD: &str = "SOLEKEY_TEST_WITH_PROXIES";
const NAMES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

#[tokio::test]
async fn the_proxies_of_the_environment_are_not_used_by_any_client() {
    if std::env::var_os(CHILD).is_some() {
        return ask_everybody().await;
    }
    let proxy = Stub::start(json("200 OK", "{}")).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    let name = "proxies::the_proxies_of_the_environment_are_not_used_by_any_client";
    child.args([name, "--exact"]).env(CHILD, "1");
    for forbidden in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        child.env_remove(forbidden);
    }
    for name in NAMES {
        child.env(name, format!("http://{}", proxy.address()));
    }
    let done = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
    assert_eq!(proxy.connections(), 0);
}

async fn ask_everybody() {
    let stub = Stub::start(json("200 OK", r#"{"access_token":"at"}"#)).await;
    let here = format!("http://{}", stub.address());
    assert!(matches!(ask(settings(&stub), AMPLE).await, Wire::Reply { .. }));
    assert!(stub.requests()[0].starts_with("POST /token "), "{:?}", stub.requests());

    let of_issuer = EndpointSettings { issuer: Some(here.clone()), ..at(String::new()) };
    ask(of_issuer, AMPLE).await;
    assert!(stub.requests()[1].starts_with("GET /.well-known/"), "{:?}", stub.requests());

    let code_assist = CodeAssist::gemini().unwrap().asking(&format!("{here}/load")).unwrap();
    code_assist.load(HeaderValue::from_static("Bearer at")).await.unwrap();
    assert!(stub.requests()[2].starts_with("POST /load "), "{:?}", stub.requests());
}

#[tokio::test]
async fn the_configured_proxy_is_used() {
    let proxy = Stub::start(json("200 OK", r#"{"access_token":"at"}"#)).await;
    // Nobody listens there.
    let nowhere = at("http://127.0.0.1:1/token".to_owned());
    let proxied = EndpointSettings { proxy: Some(secret(format!("http://{}", proxy.address()))), ..nowhere };
    assert!(matches!(ask(proxied, AMPLE).await, Wire::Reply { .. }));
    let requests = proxy.requests();
    assert!(requests[0].starts_with("POST http://127.0.0.1:1/token HTTP/1.1"), "{requests:?}");
}
