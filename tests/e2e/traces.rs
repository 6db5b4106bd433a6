//! The spans that a collector of traces is sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use solekey_testkit::provider::{AuthorizationServer, Replay};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    sidecar::{Settings, Sidecar},
    wait::within,
};

/// Takes in what is posted to it. Dropping it ends it.
struct Collector {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

/// The behaviour of a collector: it answers or it does not.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Polite,
    Silent,
}

impl Collector {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = request(&mut stream).await;
                ears.lock().unwrap().extend(request);
                if manner == Manner::Polite {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        .await;
                } else {
                    held.push(stream);
                }
            }
        });
        Self { address, heard, task }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request, as long as its head says.
async fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        let head = request.windows(4).position(|part| part == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if request.len() >= head + 4 + length.unwrap_or(0) {
                return request;
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(length @ 1..) => request.extend_from_slice(&buffer[..length]),
            _ => return request,
        }
    }
}

const NAME: &str = "alice-featherstone";

async fn exchanged(collector: &Collector) -> (AuthorizationServer, Sidecar, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let variables =
        vec![("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("SOLEKEY_LOG", "warn".to_owned())];
    let settings = Settings { variables, ..Settings::new(&provider, "") };
    let sidecar = Sidecar::start(&settings, "traced", folder.path()).await;
    sidecar.log_in_due(NAME, &provider.grant(NAME)).await;
    sidecar.token(NAME).await.token();
    (provider, sidecar, folder)
}

#[tokio::test]
async fn an_exchange_is_traced_without_a_token_or_a_name_and_sent_before_the_process_ends() {
    let collector = Collector::start(Manner::Polite).await;
    let (provider, sidecar, _folder) = exchanged(&collector).await;
    sidecar.stop().await;
    let heard = collector.heard();
    assert!(heard.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{heard}");
    for word in ["exchange", "solekey", "service.name", "acme", "attempt", "outcome", "success"] {
        assert!(heard.contains(word), "{word}: {heard}");
    }
    assert!(!heard.contains(NAME) && !heard.contains("featherstone"), "{heard}");
    for token in provider.tokens_of(NAME) {
        assert!(!heard.contains(&token), "{heard}");
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_keep_the_process_from_ending() {
    let collector = Collector::start(Manner::Silent).await;
    let (_provider, sidecar, _folder) = exchanged(&collector).await;
    within("its end", sidecar.stop()).await;
}
