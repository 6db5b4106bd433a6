//! Answers that come late, at a provider of one connection.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use solekey_core::{
    Account,
    ports::{ExchangeRequest, TokenEndpoint as _, Wire},
    secret,
};
use solekey_providers::HttpEndpoint;

use crate::{AMPLE, ENOUGH_TO_SEND, at, is_lost, stub::http};

/// A provider in a thread of its own: it says when it has read the request, and answers when the test wants it.
struct Provider {
    address: SocketAddr,
    read: mpsc::Receiver<()>,
    answer: mpsc::Sender<Option<String>>,
    answered: mpsc::Receiver<()>,
    server: JoinHandle<()>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (has_read, read) = mpsc::channel();
        let (answer, orders) = mpsc::channel::<Option<String>>();
        let (has_answered, answered) = mpsc::channel();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            has_read.send(()).unwrap();
            if let Some(bytes) = orders.recv().unwrap() {
                stream.write_all(bytes.as_bytes()).unwrap();
            }
            let _the_test_may_be_over = has_answered.send(());
        });
        Self { address, read, answer, answered, server }
    }

    fn endpoint(&self) -> HttpEndpoint {
        at(format!("http://{}/token", self.address)).build().unwrap()
    }
}

/// Reads until the whole body is there; nothing of these requests is longer than one read of its end.
fn read_request(stream: &mut TcpStream) {
    let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&bytes).contains("client_id=gateway") {
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the request ended early");
        bytes.extend_from_slice(&some[..count]);
    }
}

fn success() -> String {
    http("200 OK", "content-type: application/json\r\n", r#"{"access_token":"at"}"#)
}

async fn exchange(endpoint: &HttpEndpoint, timeout: Duration, read_for: Duration) -> Wire {
    let account = Account::new("acme", "a").unwrap();
    let token = secret("rt-hush");
    let request = ExchangeRequest::new(&token).reading_for(read_for);
    endpoint.exchange(&account, request, timeout).await
}

/// A provider that takes its time.
#[tokio::test]
async fn an_answer_that_comes_after_the_exchange_timeout_is_read() {
    let provider = Provider::start();
    let endpoint = provider.endpoint();
    let answer = provider.answer.clone();
    let late = async {
        tokio::time::sleep(ENOUGH_TO_SEND).await;
        answer.send(Some(success())).unwrap();
    };
    let (wire, ()) = tokio::join!(exchange(&endpoint, ENOUGH_TO_SEND, AMPLE), late);
    assert!(matches!(wire, Wire::Reply { .. }), "{wire:?}");
    provider.server.join().unwrap();
}

#[tokio::test]
async fn a_connection_that_is_cut_after_the_exchange_timeout_ends_the_reading() {
    let provider = Provider::start();
    let endpoint = provider.endpoint();
    let answer = provider.answer.clone();
    let late = async {
        tokio::time::sleep(ENOUGH_TO_SEND).await;
        answer.send(None).unwrap();
    };
    let (wire, ()) = tokio::join!(exchange(&endpoint, ENOUGH_TO_SEND, AMPLE * 100), late);
    assert!(is_lost(&wire), "{wire:?}");
    provider.server.join().unwrap();
}

/// The whole runtime stands still, as a process does between SIGSTOP and SIGCONT.
#[test]
fn what_has_arrived_while_the_process_was_stopped_is_read_although_its_time_is_over() {
    let provider = Provider::start();
    let endpoint = provider.endpoint();
    let began = Instant::now();
    let stop = async {
        while provider.read.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        provider.answer.send(Some(success())).unwrap();
        provider.answered.recv().unwrap();
        thread::sleep((ENOUGH_TO_SEND + Duration::from_millis(100)).saturating_sub(began.elapsed()));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (wire, ()) =
        runtime.block_on(async { tokio::join!(exchange(&endpoint, ENOUGH_TO_SEND, ENOUGH_TO_SEND), stop) });
    assert!(matches!(wire, Wire::Reply { .. }), "{wire:?}");
    provider.server.join().unwrap();
}
