//! A coordinator that needs no server: rows, tokens and leases in memory, and a strict authorization server that
//! counts. This is how to test a gateway of your own.
//!
//! ```sh
//! cargo run -p solekey-examples --bin in_memory
//! ```

use std::{error::Error, sync::Arc};

use solekey::{
    AccessToken, Change, Changes, DEFAULT_DRAIN, Provider, Solekey, TokenError,
    core::{Account, Generation, PolicySettings},
    providers::EndpointSettings,
};
use solekey_testkit::{
    memory::{MemoryAnswers, MemoryCache, MemoryLease, MemoryStore},
    provider::{AuthorizationServer, Replay},
};
use tokio::task::JoinSet;

const CALLERS: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // It revokes the whole grant when a spent refresh token comes back, as the strictest providers do.
    let acme = AuthorizationServer::start(Replay::StrictFamily).await?;
    let solekey = coordinator(&acme).await?;
    let mut changes = solekey.subscribe();

    // Somebody logs in. There is no access token yet, so the first request needs a refresh.
    let alice = Account::new("acme", "alice")?;
    let credential = serde_json::json!({ "refresh_token": acme.grant("alice").refresh_token });
    let login = solekey.login(&alice, credential.to_string().as_bytes(), false).await?;
    println!("login: {login:?}");

    let token = ask_at_once(&solekey, &alice).await?;
    println!("{CALLERS} callers at once: {} presentation", acme.presentations());
    hear_of(&mut changes, token.generation()).await;

    // A resource refuses the token before its time. What it answered is the evidence.
    acme.reject_access(token.expose_secret());
    let answer = call(&acme.resource_url(), &token).await?;
    let rejection = token.rejected_by(answer.status(), answer.headers()).ok_or("no evidence")?;
    let another = solekey.token_after_rejection(&alice, rejection).await?;
    println!(
        "the resource returned {}, then {}",
        answer.status(),
        call(&acme.resource_url(), &another).await?.status()
    );
    hear_of(&mut changes, another.generation()).await;

    println!("presented twice: {}, burned: {:?}", acme.double_presentations(), acme.burned_accounts());
    solekey.shutdown(DEFAULT_DRAIN).await;
    Ok(())
}

/// Another coordinator over the same parts is another replica: hand out clones of the `Arc`s.
async fn coordinator(acme: &AuthorizationServer) -> Result<Solekey, Box<dyn Error>> {
    let endpoint = EndpointSettings {
        token_url: acme.token_url(),
        client_id: "gateway".to_owned(),
        ..EndpointSettings::default()
    };
    let policy = PolicySettings::default().build()?;
    let solekey = Solekey::builder()
        .provider(Provider::new("acme", policy, Arc::new(endpoint.build()?))?)
        .store(Arc::new(MemoryStore::new()))
        .answers(Arc::new(MemoryAnswers::new()))
        .cache(Arc::new(MemoryCache::new()))
        .lease(Arc::new(MemoryLease::new()))
        .build()
        .await?;
    Ok(solekey)
}

/// Everybody gets the token of one flight.
async fn ask_at_once(solekey: &Solekey, account: &Account) -> Result<AccessToken, TokenError> {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (solekey, account) = (solekey.clone(), account.clone());
        callers.spawn(async move { solekey.token(&account).await });
    }
    let tokens = callers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(tokens.iter().all(|token| token.generation() == tokens[0].generation()));
    Ok(tokens[0].clone())
}

/// Notifications are hints to check again, for a program that keeps something of its own in addition to the tokens.
async fn hear_of(changes: &mut Changes, wanted: Generation) {
    while let Some(change) = changes.next().await {
        match change {
            Change::Account { key, generation } if generation == wanted => {
                return println!("change: account {key} has generation {generation}");
            }
            // An earlier one, or `Missed`: check again what you care about.
            _ => {}
        }
    }
}

async fn call(url: &str, token: &AccessToken) -> Result<reqwest::Response, reqwest::Error> {
    // The resource is on loopback: a proxy of the environment has no business there.
    let http = reqwest::Client::builder().no_proxy().build()?;
    http.get(url).header("authorization", token.bearer()).send().await
}
