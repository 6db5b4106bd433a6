//! AT Protocol: a server that wants a new nonce after every answer, signed assertions, and one key for all replicas;
//! and that deletes a session whose refresh token comes back.

use std::time::Duration;

use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use solekey_testkit::{
    provider::{AuthorizationServer, Client, Decision, Dpop, Fault, KeyPair, Pair},
    redis::redis_for_tests,
};
use tempfile::TempDir;

use crate::{
    sidecar::{Settings, Sidecar},
    wait::{POLL, eventually, within},
};

const ID: &str = "did:plc:alice";
const CLIENT: &str = "https://app.example/client-metadata.json";
const REPLICAS: [&str; 3] = ["one", "two", "three"];
const LIFETIME: Duration = Duration::from_secs(4);

/// A server, and the keys of its client.
struct World {
    provider: AuthorizationServer,
    dpop: KeyPair,
    client: KeyPair,
}

impl World {
    async fn start() -> Self {
        let (dpop, client) = (KeyPair::generate(), KeyPair::generate());
        let jwks = json!({"keys": [client.named("k1")]});
        let provider = AuthorizationServer::builder()
            .dpop(Dpop::with_the_newest_nonce())
            .client(Client::PrivateKeyJwt { id: CLIENT.to_owned(), jwks })
            .token_lifetime(LIFETIME)
            .start();
        Self { provider: provider.await.unwrap(), dpop, client }
    }

    /// A replica that finds its token endpoint through an issuer of its own, so that the log knows it.
    fn settings(&self, name: &str, head: &str) -> Settings {
        let terms = format!(
            "preset = \"atproto\"\nissuer = \"{}\"\nclient_id = \"{CLIENT}\"\nclient_auth = \"private_key_jwt\"\n\
             client_key_env = \"E2E_CLIENT_KEY\"\nclient_key_id = \"k1\"\ndpop_key_env = \"E2E_DPOP_KEY\"\n\
             exchange_timeout = \"8s\"\nquarantine = \"11s\"\nmax_wait = \"60s\"\n",
            self.provider.issuer_for(name)
        );
        Settings {
            token_url: String::new(),
            terms,
            variables: vec![("E2E_CLIENT_KEY", self.client.pem()), ("E2E_DPOP_KEY", self.dpop.pem())],
            ..Settings::new(&self.provider, head)
        }
    }

    fn log_in(&self) -> Pair {
        self.provider.grant_to(ID, &self.dpop.thumbprint())
    }

    /// Waits until each of them serves a token that is newer than this one and that the server accepts; the newest. The
    /// first asks first.
    async fn served_anew<'a>(
        &self,
        replicas: impl Iterator<Item = &'a (&'static str, Sidecar)>,
        before: u64,
    ) -> u64 {
        let mut newest = before;
        for (name, sidecar) in replicas {
            let generation = eventually("a new token", async || {
                let answer = sidecar.token(ID).await;
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {answer:?}");
                let generation = answer.body["generation"].as_u64()?;
                let good = generation > before && self.provider.is_valid(answer.token());
                good.then(|| {
                    assert_eq!(answer.body["token_type"], "DPoP", "{answer:?}");
                    generation
                })
            });
            newest = newest.max(generation.await);
        }
        newest
    }
}

fn document(pair: &Pair, more: &Value) -> String {
    let mut document = json!({
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_in": LIFETIME.as_secs(),
        "token_type": "DPoP",
        "sub": ID,
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document.to_string()
}

/// Kills the replica whose presentation the server holds; returns its number.
async fn kill_an_owner(world: &World, replicas: &mut Vec<(&'static str, Sidecar)>) -> u64 {
    world.provider.inject(Fault::HoldBefore.once());
    let asking = async {
        loop {
            for (_, sidecar) in &*replicas {
                sidecar.ask_within(ID, POLL).await;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let held = within("a presentation is held", async {
        tokio::select! {
            held = world.provider.held(ID) => held,
            () = asking => unreachable!("it asks for ever"),
        }
    })
    .await;
    let owner = replicas.iter().position(|(name, _)| held.via.as_deref() == Some(*name)).unwrap();
    let (_, owner) = replicas.swap_remove(owner);
    owner.signal(Signal::KILL);
    owner.end().await;
    let dropped = |provider: &AuthorizationServer| {
        provider.log().iter().any(|line| line.seq == held.seq && line.decision == Decision::Dropped)
    };
    within("its request is dropped", world.provider.wait_until(dropped)).await;
    held.seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_new_nonce_after_every_answer_a_session_outlives_its_expiries_and_a_killed_owner() {
    let world = World::start().await;
    let redis = redis_for_tests().await.unwrap();
    let head = format!("[redis]\nurl = \"{}\"\nprefix = \"{}\"", redis.url, redis.prefix);
    let folder = TempDir::new().unwrap();
    let mut replicas = Vec::new();
    for name in REPLICAS {
        let sidecar = Sidecar::start(&world.settings(name, &head), name, folder.path()).await;
        sidecar.ready().await;
        replicas.push((name, sidecar));
    }
    let granted = world.log_in();
    let imported = replicas[0].1.import(ID, &document(&granted, &json!({}))).await;
    assert_eq!(imported.status, StatusCode::CREATED, "{imported:?}");

    let mut seen = imported.body["generation"].as_u64().unwrap_or_default();
    // Each time another one asks first, whose nonce has passed since.
    for first in 0..REPLICAS.len() {
        seen = world.served_anew(replicas.iter().cycle().skip(first).take(REPLICAS.len()), seen).await;
    }
    let held = kill_an_owner(&world, &mut replicas).await;
    for _ in 0..2 {
        seen = world.served_anew(replicas.iter(), seen).await;
    }
    for (_, sidecar) in replicas {
        sidecar.stop().await;
    }

    let (tally, log) = (world.provider.tally(), world.provider.log());
    assert_eq!((tally.double_presentations, tally.burned_families), (0, 0), "{log:#?}");
    assert!(tally.rotations >= 5 && tally.nonces_wanted >= 2, "{tally:?}");
    // What was not processed was presented again, by the same replica at once, and nothing else was.
    assert_eq!(tally.presentations, tally.rotations + tally.nonces_wanted + tally.dropped, "{log:#?}");
    for pair in log.windows(2).filter(|pair| pair[0].decision == Decision::NonceWanted) {
        assert_eq!((&pair[1].token, &pair[1].via), (&pair[0].token, &pair[0].via), "{log:#?}");
        assert!(pair[1].decision == Decision::Rotated || pair[1].seq == held, "{log:#?}");
    }
    let retried = log.iter().find(|line| line.seq == held + 1).expect("a retry");
    assert_ne!(retried.via, log.iter().find(|line| line.seq == held).unwrap().via);
}

/// The control: the same session in two replicas that share nothing. It also shows that an account's own issuer is
/// found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_share_nothing_have_the_session_deleted() {
    let world = World::start().await;
    let granted = world.log_in();
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mut replicas = Vec::new();
    for (name, folder) in REPLICAS.into_iter().zip(&folders) {
        let sidecar = Sidecar::start(&world.settings(name, ""), name, folder.path()).await;
        let issuer = json!({"iss": world.provider.issuer()});
        let imported = sidecar.import(ID, &document(&granted, &issuer)).await;
        assert_eq!(imported.status, StatusCode::CREATED, "{imported:?}");
        replicas.push(sidecar);
    }
    eventually("a login is asked for by both", async || {
        let mut all = true;
        for sidecar in &replicas {
            all &= sidecar.token(ID).await.code() == "reauth_required";
        }
        all.then_some(())
    })
    .await;
    assert_eq!(world.provider.burned_accounts(), [ID]);
    assert!(world.provider.log().iter().all(|line| line.via.is_none()), "the account's issuer has no label");
    for sidecar in replicas {
        sidecar.stop().await;
    }
}
