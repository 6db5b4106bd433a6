//! Proofs of possession, signed assertions and issuers, before a strict server and before bytes.

use solekey_core::{Credential, Document, Revocation, Shape, merge};
use solekey_providers::{ClientKey, Dpop, SigningKey};
use solekey_testkit::provider::{
    AuthorizationServer, Client, Decision, Dpop as Wanted, Fault, KeyPair, Reply,
};

use super::*;

const CLIENT: &str = "https://app.example/client.json";

struct Keys {
    dpop: KeyPair,
    older: KeyPair,
    newer: KeyPair,
}

impl Keys {
    fn new() -> Self {
        let [dpop, older, newer] = [(); 3].map(|()| KeyPair::generate());
        Self { dpop, older, newer }
    }

    async fn server(&self, dpop: Wanted) -> AuthorizationServer {
        let jwks = serde_json::json!({"keys": [self.older.named("k1"), self.newer.named("k2")]});
        let client = Client::PrivateKeyJwt { id: CLIENT.to_owned(), jwks };
        AuthorizationServer::builder().dpop(dpop).client(client).start().await.unwrap()
    }

    fn settings(&self) -> EndpointSettings {
        let key = |id: &str, key: &KeyPair| ClientKey { id: id.to_owned(), key: private(key) };
        EndpointSettings {
            client_id: CLIENT.to_owned(),
            client_auth: ClientAuth::PrivateKeyJwt(vec![key("k2", &self.newer), key("k1", &self.older)]),
            dpop: Dpop::Key(private(&self.dpop)),
            ..Preset::named("atproto").unwrap().endpoint
        }
    }
}

fn private(key: &KeyPair) -> SigningKey {
    let read = SigningKey::parse(&secret(key.pem())).unwrap();
    assert_eq!(read.thumbprint(), key.thumbprint());
    read
}

fn credential(fields: &serde_json::Value) -> Credential {
    Credential::new(Document::parse(fields.to_string().as_bytes()).unwrap(), Shape::Flat).unwrap()
}

/// One exchange of what the document holds.
async fn refresh(
    endpoint: &HttpEndpoint,
    fields: serde_json::Value,
    timeout: Duration,
) -> Outcome<TokenAnswer> {
    let credential = credential(&fields);
    let token = credential.refresh_token().unwrap();
    let account = Account::new("atproto", "did:plc:a").unwrap();
    let request = ExchangeRequest::new(&token).of(&credential);
    let wire = endpoint.exchange(&account, request, timeout).await;
    classify(endpoint.dialect(), &wire, SystemTime::now()).outcome
}

fn token(server: &AuthorizationServer) -> String {
    server.newest("a").unwrap().refresh_token
}

fn is_success(outcome: &Outcome<TokenAnswer>) -> bool {
    matches!(outcome, Outcome::Success(_))
}

#[tokio::test]
async fn the_exchange_after_a_refusal_for_want_of_a_nonce_carries_it_and_later_ones_the_newest() {
    let keys = Keys::new();
    let server = keys.server(Wanted::with_the_newest_nonce()).await;
    server.grant_to("a", &keys.dpop.thumbprint());
    let endpoint = keys.settings().build().unwrap();
    let document = || serde_json::json!({"refresh_token": token(&server), "iss": server.issuer()});
    let first = refresh(&endpoint, document(), AMPLE).await;
    assert_eq!(first.map(|_| ()), Outcome::NonceWanted);
    for _ in 0..3 {
        let outcome = refresh(&endpoint, document(), AMPLE).await;
        assert!(is_success(&outcome), "{outcome:?}: {:#?}", server.log());
    }
    let tally = server.tally();
    assert_eq!((tally.presentations, tally.rotations, tally.nonces_wanted), (4, 3, 1));
    assert_eq!((tally.double_presentations, server.lookups()), (0, 1));
}

#[tokio::test]
async fn no_proof_and_no_assertion_is_made_twice() {
    let keys = Keys::new();
    let stub = Stub::start(json("400 Bad Request", r#"{"error":"use_dpop_nonce"}"#)).await;
    let url = format!("http://{}/token?tenant=1", stub.address());
    let endpoint = EndpointSettings { token_url: url, ..keys.settings() }.build().unwrap();
    for _ in 0..2 {
        refresh(&endpoint, serde_json::json!({"refresh_token": "rt"}), AMPLE).await;
    }
    let requests = stub.requests();
    let proofs: Vec<_> = requests.iter().map(|request| header(request, "dpop")).collect();
    let assertions: Vec<_> = requests.iter().map(|request| field(request, "client_assertion")).collect();
    for jwts in [&proofs, &assertions] {
        let [one, two] = &jwts[..] else { panic!("two requests: {requests:?}") };
        assert_ne!(claims(one)["jti"], claims(two)["jti"]);
    }
    let proof = claims(&proofs[0]);
    assert_eq!(proof["htu"], format!("http://{}/token", stub.address()));
    assert_eq!((&proof["htm"], &proof["nonce"]), (&"POST".into(), &serde_json::Value::Null));
    let assertion = claims(&assertions[0]);
    let lives = assertion["exp"].as_u64().unwrap() - assertion["iat"].as_u64().unwrap();
    assert!(lives < 60, "{assertion}");
    assert_eq!(assertion["aud"], format!("http://{}/token?tenant=1", stub.address()));
}

fn header(request: &str, name: &str) -> String {
    let line = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{name}: {request}")).to_owned()
}

fn field(request: &str, name: &str) -> String {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let value = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("{name}: {request}")).to_owned()
}

fn claims(jwt: &str) -> serde_json::Value {
    use base64::Engine as _;
    let claims = jwt.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_session_is_refreshed_with_the_clients_key_it_names() {
    let keys = Keys::new();
    let server = keys.server(Wanted::with_recent_nonces(9)).await;
    server.grant("a");
    let endpoint = keys.settings().build().unwrap();
    let issuer = server.issuer();
    let with = |key: Option<&str>| serde_json::json!({"refresh_token": token(&server), "issuer": issuer, "key_id": key});
    refresh(&endpoint, with(None), AMPLE).await;
    assert!(
        is_success(&refresh(&endpoint, with(Some("k1")), AMPLE).await),
        "the grant is bound to the older key"
    );
    assert!(is_success(&refresh(&endpoint, with(Some("k1")), AMPLE).await));
    let before = server.presentations();
    let unknown = refresh(&endpoint, with(Some("k0")), AMPLE).await;
    assert_eq!(unknown.map(|_| ()), Outcome::NotSent, "another key is no substitute");
    assert_eq!(server.presentations(), before);
    let newest = refresh(&endpoint, with(None), AMPLE).await;
    assert_eq!(
        newest.map(|_| ()),
        Outcome::Permanent(Revocation::Refused),
        "without a name the first key signs"
    );
}

#[tokio::test]
async fn a_proof_of_another_key_is_a_fault_of_ours_and_uses_no_token_up() {
    let keys = Keys::new();
    let server = keys.server(Wanted::with_recent_nonces(9)).await;
    let granted = server.grant_to("a", &KeyPair::generate().thumbprint());
    let endpoint = keys.settings().build().unwrap();
    let document = || serde_json::json!({"refresh_token": token(&server), "iss": server.issuer()});
    refresh(&endpoint, document(), AMPLE).await;
    assert_eq!(refresh(&endpoint, document(), AMPLE).await.map(|_| ()), Outcome::OurFault);
    assert_eq!(server.newest("a"), Some(granted));
}

#[tokio::test]
async fn accounts_of_several_issuers_go_each_to_its_own() {
    let keys = Keys::new();
    let one = keys.server(Wanted::with_recent_nonces(9)).await;
    let two = keys.server(Wanted::with_recent_nonces(9)).await;
    let endpoint = EndpointSettings { issuer: Some(two.issuer()), ..keys.settings() }.build().unwrap();
    one.grant("a");
    two.grant("a");
    for _ in 0..2 {
        refresh(&endpoint, serde_json::json!({"refresh_token": token(&one), "iss": one.issuer()}), AMPLE)
            .await;
        refresh(&endpoint, serde_json::json!({"refresh_token": token(&two)}), AMPLE).await;
    }
    for server in [&one, &two] {
        assert_eq!((server.presentations(), server.rotations(), server.lookups()), (2, 1, 1));
    }
    // What one server says of our client holds up nobody at the other.
    let (here, there) =
        (credential(&serde_json::json!({"refresh_token": "r", "iss": one.issuer()})), two.issuer());
    let request = secret("r");
    let client = endpoint.client_of(&ExchangeRequest::new(&request).of(&here)).into_owned();
    assert_eq!(client, format!("{} {CLIENT}", one.issuer()));
    assert_eq!(endpoint.client_of(&ExchangeRequest::new(&request)), format!("{there} {CLIENT}"));
}

#[tokio::test]
async fn an_answer_that_names_another_issuer_or_key_does_not_get_the_next_refresh_token() {
    let keys = Keys::new();
    let endpoint = keys.settings().build().unwrap();
    let here = "https://here.example";
    let there =
        r#""iss":"https://there.example","issuer":"https://there.example","key_id":"k1","client_id":"x""#;
    for named in [
        serde_json::json!({"refresh_token": "r", "iss": here}),
        serde_json::json!({"refresh_token": "r", "issuer": here, "key_id": "k2"}),
    ] {
        let answer = format!(r#"{{"access_token":"a2","refresh_token":"r2",{there}}}"#);
        let answer = TokenAnswer::read(answer.as_bytes()).unwrap();
        let next = merge(&credential(&named), &answer, SystemTime::now());
        let request = secret("r2");
        let request = ExchangeRequest::new(&request).of(&next);
        assert_eq!(endpoint.client_of(&request), format!("{here} {CLIENT}"));
        let key = next.field("key_id").map(|key| key.expose_secret().to_owned());
        assert_eq!(key.as_deref(), named["key_id"].as_str());
    }
}

#[tokio::test]
async fn many_concurrent_refreshes_query_an_issuer_once() {
    let keys = Keys::new();
    let server = keys.server(Wanted::with_recent_nonces(99)).await;
    let endpoint = EndpointSettings { issuer: Some(server.issuer()), ..keys.settings() }.build().unwrap();
    let crowd = (0..8).map(|_| refresh(&endpoint, serde_json::json!({"refresh_token": "rt"}), AMPLE));
    let outcomes = futures_util::future::join_all(crowd).await;
    assert_eq!((outcomes.len(), server.presentations(), server.lookups()), (8, 8, 1));
}

#[tokio::test]
async fn a_token_goes_nowhere_unless_the_metadata_is_the_issuers_own() {
    let keys = Keys::new();
    let stranger = keys.server(Wanted::with_recent_nonces(9)).await;
    let document =
        |issuer: &str| serde_json::json!({"issuer": issuer, "token_endpoint": stranger.token_url()});
    for (answer, why) in [
        (json("200 OK", &document("http://127.0.0.1:1").to_string()), "another issuer"),
        (json("200 OK", "<html>"), "names no issuer"),
        (json("404 Not Found", "{}"), "404"),
        (Answer::KeepAlive(http("302 Found", &format!("location: {}\r\n", stranger.issuer()), "")), "302"),
        (json("200 OK", &"x".repeat(65 * 1024)), "exceeds"),
        (Answer::Close(String::new()), "metadata"),
        (Answer::Silence, "metadata"),
    ] {
        let stub = Stub::start(answer.clone()).await;
        let issuer = format!("http://{}", stub.address());
        let timeout = if matches!(answer, Answer::Silence) { SHORT } else { AMPLE };
        let endpoint = EndpointSettings { issuer: Some(issuer), ..keys.settings() }.build().unwrap();
        let account = Account::new("atproto", "did:plc:a").unwrap();
        let wire = endpoint.exchange(&account, ExchangeRequest::new(&secret("rt-hush")), timeout).await;
        assert!(matches!(&wire, Wire::NotSent { why: actual } if actual.contains(why)), "{why}: {wire:?}");
        assert!(stub.requests().iter().all(|request| !request.contains("rt-hush")), "{why}");
    }
    assert_eq!(stranger.presentations(), 0, "a token went to a stranger");
}

#[tokio::test]
async fn an_account_that_names_no_usable_issuer_sends_nothing() {
    let keys = Keys::new();
    let endpoint = keys.settings().build().unwrap();
    for issuer in [serde_json::Value::Null, "http://pds.example".into(), "not a url".into()] {
        let document = serde_json::json!({"refresh_token": "rt", "iss": issuer});
        assert_eq!(refresh(&endpoint, document, AMPLE).await.map(|_| ()), Outcome::NotSent, "{issuer}");
    }
}

#[tokio::test]
async fn a_nonce_is_taken_from_whatever_the_server_answers() {
    let keys = Keys::new();
    let server = keys.server(Wanted::with_the_newest_nonce()).await;
    server.grant("a");
    let endpoint = keys.settings().build().unwrap();
    let document = || serde_json::json!({"refresh_token": token(&server), "iss": server.issuer()});
    server.inject(Fault::Answer(Reply::Unavailable(None)).once());
    refresh(&endpoint, document(), AMPLE).await;
    assert!(is_success(&refresh(&endpoint, document(), AMPLE).await));
    assert_eq!(server.log().last().unwrap().decision, Decision::Rotated);
}
