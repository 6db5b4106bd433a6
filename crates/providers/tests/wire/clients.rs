//! Documents that name the client they were issued to.

use solekey_core::{Credential, Document, Shape};

use super::*;

fn credential(fields: &serde_json::Value) -> Credential {
    Credential::new(Document::parse(fields.to_string().as_bytes()).unwrap(), Shape::Flat).unwrap()
}

async fn refresh(endpoint: &HttpEndpoint, credential: &Credential) {
    let token = credential.refresh_token().unwrap();
    let account = Account::new("acme", "a").unwrap();
    endpoint.exchange(&account, ExchangeRequest::new(&token).of(credential), AMPLE).await;
}

#[tokio::test]
async fn a_document_of_another_client_is_refused_or_presented_by_that_client() {
    let stub = Stub::start(json("200 OK", r#"{"access_token":"at"}"#)).await;
    let fallback_client =
        Some(FallbackClient { client_id: "second".to_owned(), client_auth: ClientAuth::Post(secret("s2")) });
    let client_auth = ClientAuth::Post(secret("s1"));
    let ours = EndpointSettings { fallback_client, client_auth, ..settings(&stub) };
    let theirs = EndpointSettings { client_of_account: true, ..ours.clone() }.build().unwrap();
    let ours = ours.build().unwrap();
    let gateways = "&client_id=gateway&client_secret=s1";
    for (document, is_taken, by_account) in [
        (serde_json::json!({"refresh_token": "rt"}), true, gateways),
        (serde_json::json!({"refresh_token": "rt", "client_id": "gateway"}), true, gateways),
        (
            serde_json::json!({"refresh_token": "rt", "client_id": "second", "client_secret": "x"}),
            true,
            gateways,
        ),
        (serde_json::json!({"refresh_token": "rt", "client_id": "own"}), false, "&client_id=own"),
        (
            serde_json::json!({"refresh_token": "rt", "clientId": "own", "clientSecret": "s3"}),
            false,
            "&client_id=own&client_secret=s3",
        ),
    ] {
        let credential = credential(&document);
        match ours.check(&credential) {
            Ok(()) => assert!(is_taken, "{document}"),
            Err(error) => assert_eq!((error.field(), is_taken), ("client_id", false), "{document}"),
        }
        theirs.check(&credential).unwrap();
        for (endpoint, client) in [(&theirs, by_account), (&ours, gateways)] {
            refresh(endpoint, &credential).await;
            let request = stub.requests().pop().unwrap();
            assert!(request.ends_with(&format!("refresh_token=rt{client}")), "{document}: {request}");
        }
        let token = credential.refresh_token().unwrap();
        let request = ExchangeRequest::new(&token).of(&credential);
        assert_eq!(theirs.client_of(&request) == theirs.client(), is_taken, "its failures are its own");
    }
    let odd = credential(&serde_json::json!({"refresh_token": "rt", "client_id": "a\nb"}));
    assert_eq!(theirs.check(&odd).unwrap_err().field(), "client_id");
    let bare = credential(&serde_json::json!({"access_token": "at", "client_id": "own"}));
    ours.check(&bare).unwrap();
}

#[tokio::test]
async fn a_document_brings_its_clients_secret_to_where_the_providers_own_is_sent() {
    let stub = Stub::start(json("200 OK", r#"{"access_token":"at"}"#)).await;
    let client_auth = ClientAuth::Basic(secret("s1"));
    let theirs =
        EndpointSettings { client_auth, client_of_account: true, ..settings(&stub) }.build().unwrap();
    let own = serde_json::json!({"refresh_token": "rt", "client_id": "own", "client_secret": "s3"});
    refresh(&theirs, &credential(&own)).await;
    let request = stub.requests().pop().unwrap();
    assert!(request.contains("authorization: Basic b3duOnMz\r\n") && !request.contains("s3"), "{request}");
}
