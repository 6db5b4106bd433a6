//! Answers whose end does not come, or whose head is not as it should be.

use std::time::SystemTime;

use solekey_core::{Outcome, classify, ports::Wire};

use crate::{
    AMPLE, ENOUGH_TO_SEND, ask, settings,
    stub::{Answer, Stub},
};

const PAIR: &str = r#"{"access_token":"at","refresh_token":"rt2"}"#;

fn success(wire: &Wire) -> bool {
    let outcome = classify(&solekey_core::Dialect::rfc6749(), wire, SystemTime::now()).outcome;
    matches!(outcome, Outcome::Success(answer) if answer.is_pair())
}

/// Of a document that is closed nothing is missing, whatever length was promised.
#[tokio::test]
async fn an_answer_whose_end_does_not_come_counts_where_its_pair_is_whole_and_is_none_else() {
    let more = PAIR.len() + 1;
    let half = &PAIR[..PAIR.len() / 2];
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let padding = " ".repeat(2 * solekey_providers::MAX_BODY_BYTES);
    for (bytes, is_whole) in [
        (format!("HTTP/1.1 200 OK\r\ncontent-length: {more}\r\n\r\n{PAIR}"), true),
        (format!("{chunked}{:x}\r\n{PAIR}\r\n", PAIR.len()), true),
        (format!("{chunked}{more:x}\r\n{PAIR}"), true),
        (format!("{chunked}{:x}\r\n{PAIR}\r\n0\r\n", PAIR.len()), true),
        (format!("HTTP/1.1 200 OK\r\n\r\n{PAIR}{padding}"), true),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{half}", PAIR.len()), false),
        (format!("{chunked}{:x}\r\n{half}\r\n", half.len()), false),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}", r#"{"access_token":"at"}"#), false),
        // Of a form nobody can say whether it has ended.
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\naccess_token=at&refresh_token=rt".to_owned(), false),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 99\r\n\r\n{\"error\":\"invalid_grant\"}".to_owned(),
            false,
        ),
    ] {
        let stub = Stub::start(Answer::Close(bytes.clone())).await;
        let wire = ask(settings(&stub), AMPLE).await;
        assert_eq!(success(&wire), is_whole, "{bytes:.200}: {wire:?}");
        assert_eq!(matches!(wire, Wire::Lost { .. }), !is_whole, "{bytes:.200}: {wire:?}");
        assert_eq!((stub.connections(), stub.requests().len()), (1, 1), "{bytes:.200}");
    }
}

#[tokio::test]
async fn an_answer_on_a_connection_that_stays_open_counts_at_the_end_of_the_time_for_reading() {
    for bytes in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{PAIR}", PAIR.len() + 1),
        format!("HTTP/1.1 200 OK\r\n\r\n{PAIR}"),
    ] {
        let stub = Stub::start(Answer::KeepAlive(bytes)).await;
        assert!(success(&ask(settings(&stub), ENOUGH_TO_SEND).await));
    }
}

#[tokio::test]
async fn a_header_line_that_is_none_is_no_reason_to_lose_the_answer_behind_it() {
    for line in [
        "Set-Cookie: a=dmo\u{1}OZPF",
        "X-Frame-Options : DENY",
        "X-Folded: one\r\n two",
        "a line without a colon",
        "X Blank: in its name",
        "X-\u{e9}: not ASCII",
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: {}\r\n\r\n{PAIR}", PAIR.len());
        let stub = Stub::start(Answer::Close(bytes)).await;
        let wire = ask(settings(&stub), AMPLE).await;
        assert!(success(&wire), "{line:?}: {wire:?}");
    }
}
