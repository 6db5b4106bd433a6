//! TLS, as the URL asks for it.

#![allow(clippy::unwrap_used)]

use solekey_core::ports::Store;
use solekey_store_sql::{PostgresError, PostgresStore};
use solekey_testkit::postgres::{PostgresServer, is_waived, postgres_for_tests};
use sqlx::Connection as _;

use crate::fixture::{account, log_in};

/// Of a server at 127.0.0.1, for a hundred years, and worth nothing to anybody. Made by `openssl req -x509 -newkey ec
/// -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -addext subjectAltName=IP:127.0.0.1 -addext
/// basicConstraints=critical,CA:FALSE`.
const CERTIFICATE: &str = include_str!("tls/server.crt");
const KEY: &str = include_str!("tls/server.key");
/// Of another one.
const STRANGER: &str = include_str!("tls/other.crt");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_spoken_to_in_tls_and_known_by_its_certificate_where_the_url_says_so() {
    if is_waived() {
        return;
    }
    let server = PostgresServer::start_with_tls(CERTIFICATE, KEY).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (known, other) = (folder.path().join("known.pem"), folder.path().join("other.pem"));
    std::fs::write(&known, CERTIFICATE).unwrap();
    std::fs::write(&other, STRANGER).unwrap();
    let verified = |root: &std::path::Path| {
        format!("{}?sslmode=verify-full&sslrootcert={}", server.url(), root.display())
    };
    for url in [format!("{}?sslmode=require", server.url()), verified(&known)] {
        let store = PostgresStore::connect(&url).await.unwrap();
        log_in(&store, &account(&url)).await;
        let mut read_only = sqlx::PgConnection::connect(&server.url()).await.unwrap();
        let in_clear: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE application_name = 'solekey' AND NOT ssl",
        )
        .fetch_one(&mut read_only)
        .await
        .unwrap();
        assert_eq!(in_clear, 0);
        store.close().await;
    }
    let stranger = PostgresStore::connect(&verified(&other)).await;
    assert!(matches!(stranger, Err(PostgresError::Database(_))), "{stranger:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_the_url_demands_it() {
    if is_waived() {
        return;
    }
    let server = postgres_for_tests().await.unwrap();
    if !server.is_own() {
        // Of somebody else's server it is not known what it offers.
        return;
    }
    let store = PostgresStore::open(&format!("{}?sslmode=require", server.url)).unwrap();
    assert!(store.identity().await.is_err());
}
