//! Answers that end in the middle.

use solekey_core::ports::Wire;

use crate::{
    AMPLE, ask, settings,
    stub::{Answer, Stub},
};

const PAIR: &str = r#"{"access_token":"at","refresh_token":"rt2"}"#;

/// What arrived of it may be a whole document.
#[tokio::test]
async fn an_answer_that_is_cut_in_its_body_is_none_whatever_arrived_of_it() {
    let more = PAIR.len() + 1;
    let half = &PAIR[..PAIR.len() / 2];
    for bytes in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {more}\r\n\r\n{PAIR}"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{half}", PAIR.len()),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{PAIR}\r\n", PAIR.len()),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{more:x}\r\n{PAIR}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{PAIR}\r\n0\r\n", PAIR.len()),
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 99\r\n\r\n{\"error\":\"invalid_grant\"}".to_owned(),
    ] {
        let stub = Stub::start(Answer::Close(bytes.clone())).await;
        let wire = ask(settings(&stub), AMPLE).await;
        assert!(matches!(wire, Wire::Lost { .. }), "{bytes}: {wire:?}");
        assert_eq!((stub.connections(), stub.requests().len()), (1, 1), "{bytes}");
    }
}
