//! One host, no Redis: all processes share one SQLite file, and answers lie in files next to it.
//!
//! ```sh
//! cargo run -p solekey-examples --bin embedded
//! ```

use std::{error::Error, path::Path, sync::Arc};

use solekey::{
    DEFAULT_DRAIN, Login, Provider, SealKeys, Solekey,
    core::{Account, PolicySettings},
    providers::EndpointSettings,
};
use solekey_testkit::provider::{AuthorizationServer, Replay};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let acme = AuthorizationServer::start(Replay::StrictFamily).await?;
    // A gateway's file lies on a disk of this host that outlives the process.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("solekey.db");
    let alice = Account::new("acme", "alice")?;

    // Two processes of this host; here, two instances.
    let one = open(&file, &acme).await?;
    let other = open(&file, &acme).await?;

    // A refresh token alone will do: the first request fetches the access token.
    let credential = serde_json::json!({ "refresh_token": acme.grant("alice").refresh_token }).to_string();
    println!("first login:  {}", effect(one.login(&alice, credential.as_bytes(), false).await?));

    let (here, there) = tokio::try_join!(one.token(&alice), other.token(&alice))?;
    let same = here.generation() == there.generation();
    println!("two processes, the same token: {same}, presentations: {}", acme.presentations());

    // The refresh token in the file somebody still has lying around is spent. It is noticed before it can do harm.
    println!("second login: {}", effect(other.login(&alice, credential.as_bytes(), false).await?));

    one.shutdown(DEFAULT_DRAIN).await;
    other.shutdown(DEFAULT_DRAIN).await;

    // The next process finds what the last one left.
    let next = open(&file, &acme).await?;
    let same = next.token(&alice).await?.generation() == here.generation();
    println!("after a restart, the same token: {same}, presentations: {}", acme.presentations());
    next.shutdown(DEFAULT_DRAIN).await;
    Ok(())
}

async fn open(file: &Path, acme: &AuthorizationServer) -> Result<Solekey, Box<dyn Error>> {
    let endpoint = EndpointSettings {
        token_url: acme.token_url(),
        client_id: "gateway".to_owned(),
        ..EndpointSettings::default()
    };
    let provider = Provider::new("acme", PolicySettings::default().build()?, Arc::new(endpoint.build()?))?;
    let solekey = Solekey::embedded(file).seal(SealKeys::parse(SEAL)?).provider(provider).build().await?;
    Ok(solekey)
}

/// With it, tokens lie sealed in the file. A real one comes from the environment or a secret store:
/// `echo "k1:$(openssl rand -base64 32)"`.
const SEAL: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn effect(login: Login) -> &'static str {
    match login {
        Login::New { .. } => "taken in",
        Login::Same { .. } => "nothing new",
        Login::AlreadyPresented => "refused, that refresh token was presented before",
        _ => "something else",
    }
}
