//! Answers that a corrected configuration understands.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use solekey_testkit::provider::Pair;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use crate::fixture::{Sidecar, account, token, until};

/// A token endpoint whose tokens stand where nobody expects them.
struct Odd {
    url: String,
    presented: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Odd {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let presented = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&presented);
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"client_id=gateway") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                let number = count.fetch_add(1, SeqCst) + 1;
                let body = format!(
                    r#"{{"ok":true,"authed_user":{{"access_token":"at-{number}","refresh_token":"rt-{number}","expires_in":3600}}}}"#
                );
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
                let _ = stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await;
            }
        });
        Self { url, presented, server }
    }

    fn config(&self, folder: &std::path::Path, more: &str) -> String {
        let file = folder.join("solekey.db");
        format!(
            "listen = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://{}\"\n[[provider]]\nname = \"acme\"\ntoken_url = \"{}\"\n\
             client_id = \"gateway\"\nexchange_timeout = \"30s\"\nmax_wait = \"60s\"\nrefresh_rate = 0\n{more}\n",
            file.display(),
            self.url
        )
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn pair(number: u8) -> Pair {
    let (access_token, refresh_token) = (format!("old-at-{number}"), format!("old-rt-{number}"));
    Pair { access_token, refresh_token, expires_in: Duration::ZERO }
}

#[tokio::test]
async fn a_corrected_place_of_tokens_and_a_restart_bring_the_pair_back() {
    let (odd, folder) = (Odd::start().await, tempfile::tempdir().unwrap());
    let sidecar = Sidecar::start(&odd.config(folder.path(), "")).await;
    for (id, number) in [("alice", 1), ("bob", 2), ("carol", 3)] {
        sidecar.log_in_expired(id, &pair(number)).await;
    }
    until(async || sidecar.get(&token("alice")).await.code() == (401, "reauth_required")).await;
    for id in ["bob", "carol", "bob", "carol"] {
        let answer = sidecar.get(&token(id)).await;
        assert_eq!(answer.code(), (503, "refresh_unavailable"), "{answer:?}");
    }
    assert_eq!(odd.presented.load(SeqCst), 1, "one account was enough to see it");
    let ready = sidecar.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.body["unread"][0]["provider"].as_str()),
        (200, Some("acme")),
        "{ready:?}"
    );
    let warned = ready.body["warnings"].to_string();
    assert!(warned.contains("not understood"), "{warned}");
    let explained = sidecar.get(&format!("{}?explain=true", account("alice"))).await;
    assert!(explained.body.to_string().contains("stored as it came"), "{explained:?}");
    sidecar.ended().await;

    // A restart alone presents nothing more.
    let sidecar = Sidecar::start(&odd.config(folder.path(), "")).await;
    for id in ["bob", "carol", "alice"] {
        assert_ne!(sidecar.get(&token(id)).await.status, 200);
    }
    assert_eq!(odd.presented.load(SeqCst), 1);
    sidecar.ended().await;

    let corrected = odd.config(folder.path(), "[provider.answers]\nat = \"authed_user\"");
    let sidecar = Sidecar::start(&corrected).await;
    until(async || sidecar.get(&account("alice")).await.body["rotations"] == 1).await;
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), "at-1");
    until(async || sidecar.get(&token("bob")).await.status == 200).await;
    until(async || sidecar.get(&token("carol")).await.status == 200).await;
    assert_eq!(odd.presented.load(SeqCst), 3);
    let ready = sidecar.get("/readyz").await;
    assert!(ready.body["unread"].is_null(), "{ready:?}");
    sidecar.ended().await;
}
