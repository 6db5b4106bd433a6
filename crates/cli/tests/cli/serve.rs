//! `solekey serve`.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, sync::Arc};

use rustix::process::Signal;
use solekey_testkit::provider::Fault;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::process::{Serving, World, client, command, document, within};

#[tokio::test]
async fn it_reports_where_it_listens_and_ends_well_on_request() {
    for signal in [Signal::TERM, Signal::INT] {
        let world = World::new().await;
        let serving = world.serve().await;
        let alive = client().get(format!("{}/healthz", serving.url)).send().await.unwrap();
        assert_eq!(alive.status(), 200);
        assert!(
            world.folder.path().join("solekey.db").exists(),
            "the embedded store stands where it was started"
        );
        serving.signal(signal);
        let ended = serving.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let world = World::new().await;
    let serving = world.serve().await;
    let pair = world.provider.grant("alice");
    let account = ["--provider", "acme", "--id", "alice", "--url", &serving.url];
    let imported = world.run(&[&["account", "import", "-"], &account[..]].concat(), &document(&pair)).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    world.provider.inject(Fault::HoldBefore);
    let refresh =
        tokio::spawn(client().post(format!("{}/v1/accounts/acme/alice/refresh", serving.url)).send());
    within(world.provider.held("alice")).await;

    serving.signal(Signal::TERM);
    within(async {
        let (client, ready) = (client(), format!("{}/readyz", serving.url));
        while client.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    serving.signal(Signal::TERM);
    let ended = serving.ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(refresh.await.unwrap().is_err(), "the connection was cut");
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_by_key() {
    let world = World::new().await;
    for (text, expected) in [
        (format!("{}max_wiat = \"8s\"\n", world.config()), "provider.acme.max_wiat: expected a known key"),
        (format!("{}max_wait = \"soon\"\n", world.config()), "provider.acme.max_wait: expected a duration"),
        (world.config().replace("127.0.0.1:0", "0.0.0.0:0"), "listen: expected a loopback address"),
        (format!("{}[redis]\nurl = \"nonsense\"\n", world.config()), "redis.url"),
        ("listen = ".to_owned(), "line 1"),
    ] {
        let file = world.write("other.toml", &text);
        let ended = world.run(&["serve", "--config", &file], "").await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains(expected), "{expected}: {ended:?}");
        assert_eq!(ended.out, "");
    }
    let missing = world.run(&["serve", "--config", "absent.toml"], "").await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("absent.toml"), "{missing:?}");
    let nothing = world.run(&["serve"], "").await;
    assert!(nothing.err.contains("provider: expected at least one"), "{nothing:?}");
}

#[tokio::test]
async fn the_environment_alone_is_enough() {
    let world = World::new().await;
    let serving = Serving::start(
        command(world.folder.path())
            .arg("serve")
            .env("SOLEKEY_LISTEN", "127.0.0.1:0")
            .env("SOLEKEY_LOG", "debug")
            .env("SOLEKEY_LOG_FORMAT", "json")
            .env("SOLEKEY_PROVIDER_ACME_TOKEN_URL", world.provider.token_url())
            .env("SOLEKEY_PROVIDER_ACME_CLIENT_ID", "gateway"),
    )
    .await;
    let account = ["--provider", "acme", "--id", "alice", "--url", &serving.url];
    let pair = world.provider.grant("alice");
    let imported = world.run(&[&["account", "import", "-"], &account[..]].concat(), &document(&pair)).await;
    assert!(imported.out.starts_with("new\tacme/alice\t"), "{imported:?}");
    let refreshed = world.run(&[&["account", "refresh"], &account[..]].concat(), "").await;
    assert_eq!(refreshed.code, Some(0), "{refreshed:?}");
    serving.signal(Signal::TERM);
    let ended = serving.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.lines().count() > 1);
    assert!(
        ended.err.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{}",
        ended.err
    );
    let next = world.provider.newest("alice").unwrap();
    for secret in [pair.access_token, pair.refresh_token, next.access_token, next.refresh_token] {
        assert!(!ended.err.contains(&secret), "{}", ended.err);
    }
}

#[tokio::test]
async fn a_password_in_a_pgpass_file_that_cannot_be_read_is_not_logged() {
    let world = World::new().await;
    // A field is missing; PostgreSQL's own clients pass over such a line.
    let passwords = world.write("passwords", "*:*:*:hush\n");
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!("{}[store]\nurl = \"postgres://u@127.0.0.1:1/db\"\n", world.config());
    world.write("solekey.toml", &config);
    let mut serve = command(world.folder.path());
    let serving =
        Serving::start(serve.arg("serve").env("SOLEKEY_LOG", "trace").env("PGPASSFILE", &passwords)).await;
    serving.signal(Signal::TERM);
    let ended = serving.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warns = ended.err.contains("the PostgreSQL database cannot be used yet");
    assert!(warns && !ended.err.contains("hush"), "{}", ended.err);
}

#[tokio::test]
async fn the_doctor_reports_on_a_set_up_in_lines_or_as_json() {
    let world = World::new().await;
    world.write("solekey.toml", &world.config());
    let reported = world.run(&["doctor"], "").await;
    assert_eq!(reported.code, Some(0), "{reported:?}");
    assert!(reported.out.contains("ok       store"), "{reported:?}");
    let machine = world.run(&["doctor", "--json"], "").await;
    let diagnosis: serde_json::Value = serde_json::from_str(&machine.out).unwrap();
    assert_eq!(diagnosis["healthy"], true, "{diagnosis}");

    world.write("broken.toml", &format!("{}[redis]\nurl = \"redis://127.0.0.1:1\"\n", world.config()));
    let ill = world.run(&["doctor", "--config", "broken.toml"], "").await;
    assert_eq!(ill.code, Some(1), "{ill:?}");
    assert!(ill.out.contains("ERROR    redis.reachable"), "{ill:?}");
    let refusing = world.config().replace(world.provider.token_url().as_str(), "http://127.0.0.1:1/token");
    world.write("refusing.toml", &refusing);
    let warned = world.run(&["doctor", "--config", "refusing.toml"], "").await;
    assert_eq!(warned.code, Some(0), "{warned:?}");
    assert!(warned.out.contains("warning  provider") && warned.out.contains("note     seal"), "{warned:?}");
    let machine = world.run(&["doctor", "--config", "refusing.toml", "--json"], "").await;
    let diagnosis: serde_json::Value = serde_json::from_str(&machine.out).unwrap();
    let levels = |level: &str| {
        let findings = diagnosis["findings"].as_array().unwrap();
        findings.iter().filter(|finding| finding["level"] == level).count()
    };
    assert!(levels("warning") == 1 && levels("ok") > 1 && levels("note") > 0, "{diagnosis}");
    world.write("wrong.toml", "listen = 7\n");
    let refused = world.run(&["doctor", "--config", "wrong.toml"], "").await;
    assert!(refused.err.contains("listen: expected"), "{refused:?}");
}

#[tokio::test]
async fn the_doctor_believes_the_certificates_that_exchanges_believe() {
    let world = World::new().await;
    let address = tls_server().await;
    let config = world.config().replace(&world.provider.token_url(), &format!("https://{address}/token"));
    world.write("solekey.toml", &config);
    let examined = async |believed: &str| {
        let file = world.write("believed.pem", believed);
        let mut doctor = command(world.folder.path());
        let doctor = doctor.arg("doctor").env("SSL_CERT_FILE", file).output();
        String::from_utf8(within(doctor).await.unwrap().stdout).unwrap()
    };
    let known = examined(CERTIFICATE).await;
    assert!(known.contains("with a certificate that is believed"), "{known}");
    let unknown = examined(STRANGER).await;
    assert!(unknown.contains("ERROR    provider") && unknown.contains("TLS fails: "), "{unknown}");
}

/// A server that speaks TLS with a certificate of its own, and answers nothing in particular.
async fn tls_server() -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // The doctor connects once more before it speaks.
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
            });
        }
    });
    address
}

/// Of a server at 127.0.0.1, made for the tests of PostgreSQL, where it is described.
const CERTIFICATE: &str = include_str!("../../../store-sql/tests/conformance/postgres/tls/server.crt");
const KEY: &str = include_str!("../../../store-sql/tests/conformance/postgres/tls/server.key");
/// Of another one.
const STRANGER: &str = include_str!("../../../store-sql/tests/conformance/postgres/tls/other.crt");
