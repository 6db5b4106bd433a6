//! Three replicas of a gateway, in one process, coordinate through a real Redis: one of them refreshes, everybody has
//! the token.
//!
//! ```sh
//! redis-server --port 6380 --save '' &                # or: docker compose up --wait, which gives one on 6379
//! cargo run -p solekey-examples --bin redis_fleet -- redis://127.0.0.1:6380
//! ```
//!
//! Without an argument it uses `REDIS_URL`. Every key begins with a random prefix; nothing else is touched.

use std::{env, error::Error, path::Path, sync::Arc};

use solekey::{
    AccessToken, DEFAULT_DRAIN, Provider, Solekey,
    core::{Account, PolicySettings},
    providers::EndpointSettings,
};
use solekey_testkit::provider::{AuthorizationServer, Replay};
use tokio::task::JoinSet;

const REPLICAS: usize = 3;
const CALLERS: usize = 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).or_else(|| env::var("REDIS_URL").ok()).ok_or(USAGE)?;
    let acme = AuthorizationServer::start(Replay::StrictFamily).await?;
    let prefix = format!("solekey-example-{}", uuid::Uuid::new_v4().simple());
    let disks = tempfile::tempdir()?;

    let mut fleet = Vec::new();
    for number in 1..=REPLICAS {
        let name = format!("replica-{number}");
        fleet.push(replica(&name, &url, &prefix, disks.path(), &acme).await?);
    }

    // Through any of them; all know it at once. Where Redis cannot be reached, this is what says so.
    let alice = Account::new("acme", "alice")?;
    let credential = serde_json::json!({ "refresh_token": acme.grant("alice").refresh_token });
    fleet[0].login(&alice, credential.to_string().as_bytes(), false).await?;

    // Every replica has requests to serve, and no replica has a token.
    let mut callers = JoinSet::new();
    for solekey in fleet.iter().flat_map(|solekey| std::iter::repeat_n(solekey, CALLERS)) {
        let (solekey, alice) = (solekey.clone(), alice.clone());
        callers.spawn(async move { solekey.token(&alice).await });
    }
    let tokens = callers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;

    let mut generations: Vec<_> = tokens.iter().map(AccessToken::generation).collect();
    generations.dedup();
    println!("{} callers, {} token", tokens.len(), generations.len());
    let owners: Vec<_> = acme.log().into_iter().filter_map(|presentation| presentation.via).collect();
    println!("{} presentation, by {}", owners.len(), owners.join(", "));
    println!("presented twice: {}, burned: {:?}", acme.double_presentations(), acme.burned_accounts());

    // The tokens go; what stays, under the prefix, is a row that says so.
    fleet[0].delete(&alice).await?;
    for solekey in &fleet {
        solekey.shutdown(DEFAULT_DRAIN).await;
    }
    Ok(())
}

/// A replica of its own: a connection, a subscriber, a cache and a folder for answers.
async fn replica(
    name: &str,
    redis: &str,
    prefix: &str,
    disks: &Path,
    acme: &AuthorizationServer,
) -> Result<Solekey, Box<dyn Error>> {
    let endpoint = EndpointSettings {
        // The same endpoint for all. This one writes down who came.
        token_url: acme.token_url_for(name),
        client_id: "gateway".to_owned(),
        ..EndpointSettings::default()
    };
    let provider = Provider::new("acme", PolicySettings::default().build()?, Arc::new(endpoint.build()?))?;
    let solekey = Solekey::builder()
        .redis(redis)
        .redis_prefix(prefix)
        // Where Redis is the store, too, answers lie elsewhere: neither alone loses a pair.
        .state_dir(disks.join(name))
        .provider(provider)
        .build()
        .await?;
    Ok(solekey)
}

const USAGE: &str = "no Redis: give its URL as the argument or in REDIS_URL. `redis-server --port 6380 --save ''` starts one, \
                     so does `docker compose up --wait`, and scripts/with-redis fetches the binary";
