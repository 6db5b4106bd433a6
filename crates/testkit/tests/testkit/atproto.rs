//! Proofs of possession, nonces, clients that sign, and what a grant is bound to.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Response;
use serde_json::{Value, json};
use solekey_testkit::provider::{AuthorizationServer, Client, Decision, Dpop, KeyPair};

use crate::gateway::client;

const ID: &str = "https://app.example/client.json";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A client of the server that does everything right, but for what a test changes.
struct Visitor {
    server: AuthorizationServer,
    key: KeyPair,
    client_key: KeyPair,
    ids: std::cell::Cell<u32>,
}

impl Visitor {
    async fn new() -> Self {
        let client_key = KeyPair::generate();
        let older = KeyPair::generate();
        let jwks = json!({"keys": [older.named("k0"), client_key.named("k1")]});
        let server = AuthorizationServer::builder()
            .dpop(Dpop::with_the_newest_nonce())
            .client(Client::PrivateKeyJwt { id: ID.into(), jwks })
            .start()
            .await
            .unwrap();
        Self { server, key: KeyPair::generate(), client_key, ids: std::cell::Cell::new(0) }
    }

    fn id(&self) -> String {
        self.ids.set(self.ids.get() + 1);
        format!("id-{}", self.ids.get())
    }

    fn claims(&self, nonce: &str) -> Value {
        json!({"jti": self.id(), "htm": "POST", "htu": self.server.token_url(), "iat": now(), "nonce": nonce})
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.public_jwk()})
    }

    fn proof(&self, nonce: &str) -> String {
        self.key.sign(&self.header(), &self.claims(nonce))
    }

    fn assertion_claims(&self) -> Value {
        json!({"iss": ID, "sub": ID, "aud": self.server.issuer(), "jti": self.id(), "iat": now(), "exp": now() + 50})
    }

    fn assertion(&self) -> String {
        self.client_key.sign(&json!({"alg": "ES256", "kid": "k1"}), &self.assertion_claims())
    }

    async fn send(&self, token: &str, assertion: &str, proofs: &[String]) -> Response {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", ID),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        let request = client().post(self.server.token_url()).form(&form);
        let request = proofs.iter().fold(request, |request, proof| request.header("dpop", proof));
        request.send().await.unwrap()
    }

    async fn present(&self, token: &str, proof: String) -> Response {
        self.send(token, &self.assertion(), &[proof]).await
    }

    /// A nonce that was never used.
    async fn nonce(&self) -> String {
        nonce(&self.present("unknown", self.proof("none")).await)
    }
}

/// Makes the proofs of a request around a nonce.
type Make<'a> = Box<dyn Fn(&str) -> Vec<String> + 'a>;

fn nonce(response: &Response) -> String {
    response.headers()["dpop-nonce"].to_str().unwrap().to_owned()
}

async fn error(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.json::<Value>().await.unwrap()["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn each_answer_brings_a_nonce_and_only_the_newest_is_taken() {
    let visitor = Visitor::new().await;
    let granted = visitor.server.grant("alice");
    let refused = visitor.present(&granted.refresh_token, visitor.proof("made-up")).await;
    let first = nonce(&refused);
    assert_eq!(error(refused).await, (400, "use_dpop_nonce".to_owned()));
    assert_eq!(visitor.server.log()[0].decision, Decision::NonceWanted);
    let answer = visitor.present(&granted.refresh_token, visitor.proof(&first)).await;
    assert_eq!(answer.status(), 200);
    let second = nonce(&answer);
    assert_ne!(first, second);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["token_type"], "DPoP");
    let token = answer["refresh_token"].as_str().unwrap();
    assert_eq!(error(visitor.present(token, visitor.proof(&first)).await).await.1, "use_dpop_nonce");
    let tally = visitor.server.tally();
    assert_eq!((tally.presentations, tally.rotations, tally.nonces_wanted), (3, 1, 2));
    assert_eq!(tally.double_presentations, 0, "what was not processed may come again");
}

#[tokio::test]
async fn a_proof_that_proves_nothing_uses_up_no_token() {
    let visitor = Visitor::new().await;
    let granted = visitor.server.grant("alice");
    let token = &granted.refresh_token;
    let with = |name: &str, value: Value, nonce: &str| {
        let mut claims = visitor.claims(nonce);
        claims[name] = value;
        visitor.key.sign(&visitor.header(), &claims)
    };
    let titled = |name: &str, value: Value, nonce: &str| {
        let mut header = visitor.header();
        header[name] = value;
        visitor.key.sign(&header, &visitor.claims(nonce))
    };
    let fresh = visitor.nonce().await;
    let mut nonce_now = fresh;
    let bad: Vec<(&str, Make<'_>)> = vec![
        ("none", Box::new(|_| Vec::new())),
        ("two", Box::new(|nonce| vec![visitor.proof(nonce), visitor.proof(nonce)])),
        ("junk", Box::new(|_| vec!["a.b.c".to_owned()])),
        ("method", Box::new(|nonce| vec![with("htm", json!("GET"), nonce)])),
        ("url", Box::new(|nonce| vec![with("htu", json!("http://127.0.0.1/token"), nonce)])),
        ("old", Box::new(|nonce| vec![with("iat", json!(now() - 120), nonce)])),
        ("no id", Box::new(|nonce| vec![with("jti", Value::Null, nonce)])),
        ("type", Box::new(|nonce| vec![titled("typ", json!("JWT"), nonce)])),
        ("algorithm", Box::new(|nonce| vec![titled("alg", json!("none"), nonce)])),
        ("signature", Box::new(|nonce| vec![titled("jwk", KeyPair::generate().public_jwk(), nonce)])),
    ];
    for (what, make) in bad {
        let response = visitor.send(token, &visitor.assertion(), &make(&nonce_now)).await;
        nonce_now = nonce(&response);
        assert_eq!(error(response).await, (400, "invalid_dpop_proof".to_owned()), "{what}");
    }
    let good = visitor.proof(&nonce_now);
    assert_eq!(visitor.present(token, good.clone()).await.status(), 200);
    let next = visitor.server.newest("alice").unwrap().refresh_token;
    assert_eq!(error(visitor.present(&next, good).await).await.1, "invalid_dpop_proof", "used before");
    assert_eq!(visitor.server.rotations(), 1);
}

#[tokio::test]
async fn a_grant_is_bound_to_the_key_it_was_first_presented_with_or_granted_to() {
    let visitor = Visitor::new().await;
    let bound = visitor.server.grant_to("bob", &visitor.key.thumbprint()).refresh_token;
    let granted = visitor.server.grant("alice").refresh_token;
    let fresh = visitor.nonce().await;
    assert_eq!(visitor.present(&granted, visitor.proof(&fresh)).await.status(), 200);
    let alices = visitor.server.newest("alice").unwrap().refresh_token;
    let thief = Visitor { key: KeyPair::generate(), ..visitor };
    for token in [&bound, &alices] {
        let fresh = thief.nonce().await;
        let refused = thief.present(token, thief.proof(&fresh)).await;
        assert_eq!(error(refused).await, (401, "invalid_token".to_owned()));
    }
    assert_eq!(thief.server.rotations(), 1, "the thief got nothing");
}

#[tokio::test]
async fn a_client_has_to_sign_for_this_server_and_this_moment_and_once() {
    let visitor = Visitor::new().await;
    let granted = visitor.server.grant("alice");
    let with = |name: &str, value: Value| {
        let mut claims = visitor.assertion_claims();
        claims[name] = value;
        visitor.client_key.sign(&json!({"alg": "ES256", "kid": "k1"}), &claims)
    };
    let stranger = KeyPair::generate();
    let used = visitor.assertion();
    visitor.send("unknown", &used, &[visitor.proof("x")]).await;
    for assertion in [
        with("iss", json!("https://other.example")),
        with("sub", json!("https://other.example")),
        with("aud", json!(visitor.server.token_url())),
        with("aud", json!("https://other.example")),
        with("exp", json!(now() - 1)),
        with("iat", json!(now() - 90)),
        with("jti", Value::Null),
        stranger.sign(&json!({"alg": "ES256", "kid": "k1"}), &visitor.assertion_claims()),
        visitor.client_key.sign(&json!({"alg": "ES256", "kid": "k0"}), &visitor.assertion_claims()),
        visitor.client_key.sign(&json!({"alg": "ES256"}), &visitor.assertion_claims()),
        used,
    ] {
        let fresh = visitor.nonce().await;
        let response = visitor.send(&granted.refresh_token, &assertion, &[visitor.proof(&fresh)]).await;
        assert_eq!(error(response).await, (401, "invalid_client".to_owned()), "{assertion}");
    }
    assert_eq!(visitor.server.newest("alice"), Some(granted));
}

#[tokio::test]
async fn a_session_stays_with_the_clients_key_it_began_with() {
    let (one, two) = (KeyPair::generate(), KeyPair::generate());
    let jwks = json!({"keys": [one.named("one"), two.named("two")]});
    let visitor = Visitor::new().await;
    let server = AuthorizationServer::builder()
        .dpop(Dpop::with_recent_nonces(100))
        .client(Client::PrivateKeyJwt { id: ID.into(), jwks })
        .start()
        .await
        .unwrap();
    let visitor = Visitor { server, ..visitor };
    let assertion =
        |key: &KeyPair, id: &str| key.sign(&json!({"alg": "ES256", "kid": id}), &visitor.assertion_claims());
    let granted = visitor.server.grant("alice").refresh_token;
    let fresh = nonce(&visitor.send("unknown", &assertion(&one, "one"), &[visitor.proof("x")]).await);
    let first = visitor.send(&granted, &assertion(&one, "one"), &[visitor.proof(&fresh)]).await;
    assert_eq!(first.status(), 200);
    let next = visitor.server.newest("alice").unwrap().refresh_token;
    let other = visitor.send(&next, &assertion(&two, "two"), &[visitor.proof(&fresh)]).await;
    assert_eq!(error(other).await, (400, "invalid_grant".to_owned()));
    let same = visitor.send(&next, &assertion(&one, "one"), &[visitor.proof(&fresh)]).await;
    assert_eq!(same.status(), 200, "an older nonce among the newest is taken");
}

#[tokio::test]
async fn a_spent_token_ends_the_session() {
    let visitor = Visitor::new().await;
    let granted = visitor.server.grant("alice").refresh_token;
    let fresh = visitor.nonce().await;
    let first = visitor.present(&granted, visitor.proof(&fresh)).await;
    assert_eq!(first.status(), 200);
    let again = visitor.present(&granted, visitor.proof(&nonce(&first))).await;
    let fresh = nonce(&again);
    assert_eq!(error(again).await, (400, "invalid_grant".to_owned()));
    assert_eq!(visitor.server.burned_accounts(), ["alice"]);
    let newest = visitor.server.newest("alice").unwrap().refresh_token;
    assert_eq!(error(visitor.present(&newest, visitor.proof(&fresh)).await).await.1, "invalid_grant");
}

#[tokio::test]
async fn metadata_names_the_issuer_it_was_requested_for() {
    let server = AuthorizationServer::builder().dpop(Dpop::with_the_newest_nonce()).start().await.unwrap();
    for (issuer, path, endpoint) in [
        (server.issuer(), "", server.token_url()),
        (server.issuer_for("one"), "/one", server.token_url_for("one")),
    ] {
        let url = format!("{}/.well-known/oauth-authorization-server{path}", server.issuer());
        let metadata: Value = client().get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!((&metadata["issuer"], &metadata["token_endpoint"]), (&json!(issuer), &json!(endpoint)));
        assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256"]));
    }
    assert_eq!(server.lookups(), 2);
}

#[tokio::test]
async fn where_json_is_wanted_a_form_is_not_read() {
    let server = AuthorizationServer::builder().json_only().start().await.unwrap();
    let token = server.grant("alice").refresh_token;
    let body = json!({"grant_type": "refresh_token", "refresh_token": token});
    let form = client().post(server.token_url()).form(&body).send().await.unwrap();
    assert_eq!(error(form).await, (400, "invalid_request".to_owned()));
    assert_eq!(client().post(server.token_url()).json(&body).send().await.unwrap().status(), 200);
    assert_eq!((server.presentations(), server.rotations()), (1, 1));
}
