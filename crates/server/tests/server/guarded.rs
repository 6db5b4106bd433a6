//! Requests that pages in browsers can send, to every route: none is answered, and nobody is asked because of it.

use serde_json::json;

use crate::{
    fixture::{Answer, Sidecar, World, document},
    raw,
};

/// Every route, its methods and others; the last three are none.
const ROUTES: [(&str, &str); 27] = [
    ("GET", "/v1/accounts"),
    ("HEAD", "/v1/accounts"),
    ("OPTIONS", "/v1/accounts"),
    ("GET", "/v1/accounts/acme/alice"),
    ("GET", "/v1/accounts/acme/alice?explain=true"),
    ("HEAD", "/v1/accounts/acme/alice"),
    ("PUT", "/v1/accounts/acme/alice"),
    ("DELETE", "/v1/accounts/acme/alice"),
    ("OPTIONS", "/v1/accounts/acme/alice"),
    ("PATCH", "/v1/accounts/acme/alice"),
    ("GET", "/v1/accounts/acme/alice/token"),
    ("HEAD", "/v1/accounts/acme/alice/token"),
    ("OPTIONS", "/v1/accounts/acme/alice/token"),
    ("POST", "/v1/accounts/acme/alice/token"),
    ("POST", "/v1/accounts/acme/alice/rejected"),
    ("OPTIONS", "/v1/accounts/acme/alice/rejected"),
    ("POST", "/v1/accounts/acme/alice/refresh"),
    ("OPTIONS", "/v1/accounts/acme/alice/refresh"),
    ("POST", "/v1/accounts/acme/alice/export"),
    ("OPTIONS", "/v1/accounts/acme/alice/export"),
    ("GET", "/healthz"),
    ("HEAD", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("TRACE", "/nothing"),
    ("POST", "/v1/accounts/acme/alice/unknown"),
];

fn is_about_health(path: &str) -> bool {
    ["/healthz", "/readyz", "/metrics"].contains(&path)
}

/// A sidecar with an account that every token request would refresh, and every report would rotate.
async fn sidecar(world: &World) -> Sidecar {
    // The background would refresh it, too.
    let sidecar = world.sidecar_with("refresh_rate = 0").await;
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
    sidecar
}

/// A body that each route would act on.
fn body(world: &World, path: &str) -> String {
    if path.ends_with("/rejected") {
        json!({"access_token": world.provider.newest("alice").unwrap().access_token}).to_string()
    } else if path.ends_with("/alice") {
        document(&world.provider.grant("alice"), 3600)
    } else {
        String::new()
    }
}

async fn send(sidecar: &Sidecar, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    raw::exchange(&sidecar.address, &text).await
}

fn assert_refused(answer: &Answer, method: &str, code: (u16, &str), about: &str) {
    assert_eq!(answer.status, code.0, "{about}: {answer:?}");
    if method != "HEAD" {
        assert_eq!(answer.code(), code, "{about}");
    }
    assert_eq!(answer.headers["cache-control"], "no-store", "{about}");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{about}");
    let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(cors, None, "{about}");
}

/// What a request that is not refused would change: the account, and what the provider has been asked.
struct Untouched {
    account: serde_json::Value,
    presentations: u64,
}

impl Untouched {
    async fn now(world: &World, sidecar: &Sidecar) -> Self {
        Self { account: sidecar.state("alice").await, presentations: world.provider.presentations() }
    }

    async fn assert(&self, world: &World, sidecar: &Sidecar) {
        assert_eq!(sidecar.state("alice").await, self.account);
        assert_eq!(world.provider.presentations(), self.presentations);
    }
}

#[tokio::test]
async fn a_foreign_host_is_refused_on_every_route_and_nobody_is_asked() {
    let world = World::new().await;
    let sidecar = sidecar(&world).await;
    let before = Untouched::now(&world, &sidecar).await;
    let port = sidecar.address.rsplit(':').next().unwrap();
    let code = (421, "host_not_allowed");
    for (method, path) in ROUTES {
        let body = body(&world, path);
        for host in [
            format!("host: evil.example:{port}\r\n"),
            "host: evil.example\r\n".to_owned(),
            format!("host: 0.0.0.0:{port}\r\n"),
            format!("host: localhost.evil.example:{port}\r\n"),
            format!("host: user@localhost:{port}\r\n"),
            "host: localhost:x\r\n".to_owned(),
            "host:\r\n".to_owned(),
            format!("host: localhost:{port}\r\nhost: localhost:{port}\r\n"),
            format!("host: localhost:{port}\r\nhost: evil.example\r\n"),
            format!("host: evil.example\r\nhost: localhost:{port}\r\n"),
            String::new(),
        ] {
            let answer = send(&sidecar, method, path, &host, &body).await;
            assert_refused(&answer, method, code, &format!("{method} {path} {host:?}"));
        }
        for authority in
            [format!("evil.example:{port}"), format!("user@localhost:{port}"), "localhost:1".to_owned()]
        {
            let target = format!("http://{authority}{path}");
            let answer = send(&sidecar, method, &target, &format!("host: localhost:{port}\r\n"), &body).await;
            assert_refused(&answer, method, code, &format!("{method} {target}"));
        }
        let old = format!("{method} {path} HTTP/1.0\r\n\r\n");
        assert_refused(&raw::exchange(&sidecar.address, &old).await, method, code, &format!("{old:?}"));
    }
    before.assert(&world, &sidecar).await;
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_on_every_route_but_those_about_health_and_nobody_is_asked() {
    let world = World::new().await;
    let sidecar = sidecar(&world).await;
    let before = Untouched::now(&world, &sidecar).await;
    let host = format!("host: {}\r\n", sidecar.address);
    for (method, path) in ROUTES {
        let body = body(&world, path);
        for from in [
            "sec-fetch-site: cross-site",
            "sec-fetch-site: same-site",
            "sec-fetch-site: none\r\nsec-fetch-site: cross-site",
            "origin: https://evil.example",
            "origin: null",
            "origin: http://localhost:1",
            "origin: http://localhost.evil.example",
            "origin: https://evil.example\r\nsec-fetch-site: none",
            "origin: https://evil.example\r\naccess-control-request-method: POST",
            "origin: https://evil.example\r\naccess-control-request-private-network: true",
        ] {
            let answer = send(&sidecar, method, path, &format!("{host}{from}\r\n"), &body).await;
            let about = format!("{method} {path} {from}");
            if is_about_health(path) {
                assert_ne!(answer.status, 403, "{about}");
            } else {
                assert_refused(&answer, method, (403, "cross_site"), &about);
            }
        }
    }
    before.assert(&world, &sidecar).await;
}

#[tokio::test]
async fn a_form_cannot_report_or_refresh_even_from_a_browser_that_does_not_say_so() {
    let world = World::new().await;
    let sidecar = sidecar(&world).await;
    let before = Untouched::now(&world, &sidecar).await;
    let rejected = json!({"access_token": world.provider.newest("alice").unwrap().access_token}).to_string();
    for (path, body) in [("rejected", rejected.as_str()), ("refresh", ""), ("refresh", "{}")] {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let headers = format!("host: {}\r\ncontent-type: {kind}\r\n", sidecar.address);
            let path = format!("/v1/accounts/acme/alice/{path}");
            let answer = send(&sidecar, "POST", &path, &headers, body).await;
            assert_refused(&answer, "POST", (415, "form_body"), &format!("{path} {kind}"));
        }
    }
    before.assert(&world, &sidecar).await;
    let headers = format!("host: {}\r\ncontent-type: application/json\r\n", sidecar.address);
    let answer = send(&sidecar, "POST", "/v1/accounts/acme/alice/rejected", &headers, &rejected).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn every_spelling_of_loopback_gets_an_answer_and_so_does_a_configured_name() {
    let world = World::new().await;
    let sidecar = Sidecar::start(&format!("hosts = [\"Gateway.internal\"]\n{}", world.config())).await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    for host in [
        "localhost",
        "LOCALHOST:8750",
        "localhost.:1",
        "127.0.0.1:65535",
        "127.1.2.3",
        "[::1]:8750",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]:1",
        "gateway.INTERNAL:443",
        "gateway.internal.",
    ] {
        let headers = format!("host: {host}\r\nsec-fetch-site: none\r\n");
        let answer = send(&sidecar, "GET", "/v1/accounts/acme/alice/token", &headers, "").await;
        assert_eq!(answer.access_token(), pair.access_token, "{host}");
        let target = format!("http://{host}/v1/accounts/acme/alice/token");
        let answer = send(&sidecar, "GET", &target, &format!("host: {host}\r\n"), "").await;
        assert_eq!(answer.access_token(), pair.access_token, "{target}");
    }
    let old = "GET /v1/accounts/acme/alice/token HTTP/1.0\r\nhost: localhost\r\n\r\n";
    assert_eq!(raw::exchange(&sidecar.address, old).await.access_token(), pair.access_token);
}

#[tokio::test]
async fn on_a_socket_file_any_host_is_answered() {
    let world = World::new().await;
    let socket = format!("unix:{}", world.folder.path().join("s.sock").display());
    let sidecar = Sidecar::start(&world.config().replace("127.0.0.1:0", &socket)).await;
    for headers in ["host: gateway\r\n", "", "host: a\r\norigin: https://b\r\nsec-fetch-site: cross-site\r\n"]
    {
        let text = format!("GET /v1/accounts HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        let answer = raw::exchange(&sidecar.address, &text).await;
        assert_eq!((answer.status, &answer.body["accounts"]), (200, &json!([])), "{headers:?}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
}

#[test]
fn names_that_cannot_be_hosts_are_refused_by_name() {
    use solekey_server::{Config, Environment};
    let provider = "[[provider]]\nname = \"a\"\npreset = \"codex\"\n";
    for hosts in ["[\"*\"]", "[\"a:80\"]", "[\"http://a\"]", "[\"\"]", "[\"ok\", \"a/b\"]", "[\"u@a\"]"] {
        let error =
            Config::parse(&format!("hosts = {hosts}\n{provider}"), &Environment::default()).unwrap_err();
        assert!(error.field().is_some_and(|field| field.starts_with("hosts.")), "{hosts}: {error}");
        assert!(error.to_string().contains("without a port"), "{hosts}: {error}");
    }
    let many = (0..65).map(|at| format!("\"h{at}\"")).collect::<Vec<_>>().join(",");
    let error = Config::parse(&format!("hosts = [{many}]\n{provider}"), &Environment::default()).unwrap_err();
    assert_eq!((error.field(), error.to_string().as_str()), (Some("hosts"), "hosts: expected at most 64"));
}
