//! The requests to Code Assist, and the meaning of its answers.

use reqwest::header::HeaderValue;
use solekey_core::ports::BoxError;
use solekey_providers::{CodeAssist, CodeAssistAccount};

use crate::stub::{Answer, Stub, http, json};

async fn ask(answer: Answer) -> (Result<CodeAssistAccount, BoxError>, Stub) {
    let stub = Stub::start(answer).await;
    let url = format!("http://{}/v1internal:loadCodeAssist", stub.address());
    let asked = CodeAssist::antigravity().unwrap().asking(&url).unwrap();
    (asked.load(HeaderValue::from_static("Bearer at-hush")).await, stub)
}

#[tokio::test]
async fn a_project_is_requested_once_and_read_as_text_or_object() {
    for (body, project, tier) in [
        (
            r#"{"cloudaicompanionProject":"p-1","currentTier":{"id":"free-tier"}}"#,
            Some("p-1"),
            Some("free-tier"),
        ),
        (r#"{"cloudaicompanionProject":{"id":"p-2"}}"#, Some("p-2"), None),
        (r#"{"cloudaicompanionProject":" ","allowedTiers":[{"id":"free-tier"}]}"#, None, None),
        ("{}", None, None),
    ] {
        let (reply, stub) = ask(json("200 OK", body)).await;
        let reply = reply.unwrap();
        assert_eq!((reply.project_id.as_deref(), reply.tier_id.as_deref()), (project, tier), "{body}");
        let [request] = &stub.requests()[..] else { panic!("one request") };
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1internal:loadCodeAssist HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer at-hush"), "{head}");
        assert_eq!(
            sent,
            r#"{"metadata":{"ideType":"ANTIGRAVITY","platform":"PLATFORM_UNSPECIFIED","pluginType":"GEMINI"}}"#
        );
    }
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_that_quotes_nothing() {
    for answer in [
        json("401 Unauthorized", r#"{"error":"at-hush"}"#),
        json("200 OK", "at-hush"),
        Answer::Close(http("302 Found", "location: /at-hush\r\n", "")),
        Answer::Close(String::new()),
        json("200 OK", &format!("\"{}\"", "x".repeat(300_000))),
    ] {
        let (reply, stub) = ask(answer).await;
        let error = reply.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("at-hush"), "{error:?}");
        assert!(stub.requests().len() <= 1, "nothing is repeated");
    }
    for url in ["http://example.com/x", "nothing", "ftp://127.0.0.1/"] {
        assert_eq!(CodeAssist::gemini().unwrap().asking(url).unwrap_err().field(), "code_assist.url");
    }
}
