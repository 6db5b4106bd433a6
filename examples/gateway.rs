//! A gateway in a page: it takes the account's token in the request path, reports a token that the API refuses, passes
//! errors on with a time to come back, and stops without leaving anything in doubt.
//!
//! ```sh
//! cargo run -p solekey-examples --bin gateway         # with a provider of its own, and alice logged in
//! curl -i http://127.0.0.1:PORT/alice                 # the port it says it listens on
//! cargo run -p solekey-examples --bin gateway -- TOKEN_URL API_URL auth.json
//! ```

use std::{env, error::Error, fs, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use solekey::{
    AccessToken, DEFAULT_DRAIN, Provider, Solekey, TokenError,
    core::{Account, PolicySettings},
    providers::EndpointSettings,
};
use solekey_testkit::provider::{AuthorizationServer, Replay};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let world = World::of(&env::args().skip(1).collect::<Vec<_>>()).await?;
    // A gateway's file lies on a disk that outlives the process. A fleet says `Solekey::builder().redis(…)` here.
    let folder = tempfile::tempdir()?;
    let provider = provider(world.token_url.clone())?;
    let solekey = Solekey::embedded(folder.path().join("solekey.db")).provider(provider).build().await?;
    solekey.login(&Account::new(PROVIDER, "alice")?, &world.credential, false).await?;

    let http = reqwest::Client::builder().no_proxy().build()?;
    let gateway = Gateway { solekey: solekey.clone(), http, api: world.api_url };
    let router = Router::new().route("/{id}", get(forward)).with_state(Arc::new(gateway));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening on {}", listener.local_addr()?);

    let draining = solekey.clone();
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        // From here on no refresh is begun. Requests under way are served from memory.
        draining.start_draining();
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;

    // A request that was sent to the token endpoint is waited for, and its answer written down.
    let ended = solekey.shutdown(DEFAULT_DRAIN).await;
    println!("stopped, in doubt: {}", ended.in_doubt);
    Ok(())
}

const PROVIDER: &str = "acme";

/// The state that every request needs.
struct Gateway {
    solekey: Solekey,
    http: reqwest::Client,
    api: String,
}

async fn forward(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Result<Response, Failure> {
    let account = Account::new(PROVIDER, &id).map_err(|_| TokenError::UnknownAccount)?;
    let token = gateway.solekey.token(&account).await?;
    let answer = gateway.call(&token).await?;
    let Some(rejection) = token.rejected_by(answer.status(), answer.headers()) else {
        return pass_on(answer).await;
    };
    // The API refused this token, and not this request: another one, shared by all who report the same. Once; a second
    // refusal is the API's answer.
    let another = gateway.solekey.token_after_rejection(&account, rejection).await?;
    pass_on(gateway.call(&another).await?).await
}

impl Gateway {
    async fn call(&self, token: &AccessToken) -> Result<reqwest::Response, reqwest::Error> {
        self.http.get(&self.api).header(header::AUTHORIZATION, token.bearer()).send().await
    }
}

async fn pass_on(answer: reqwest::Response) -> Result<Response, Failure> {
    Ok((answer.status(), answer.bytes().await?).into_response())
}

/// The reason why there is nothing to pass on.
enum Failure {
    Token(TokenError),
    Api,
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<reqwest::Error> for Failure {
    fn from(_: reqwest::Error) -> Self {
        Self::Api
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self::Token(error) = self else { return StatusCode::BAD_GATEWAY.into_response() };
        // Messages hold no secret: they may be shown to callers.
        let mut response = (error.status(), format!("{error}\n")).into_response();
        let headers = response.headers_mut();
        if let Some(after) = error.retry_after() {
            // Whole seconds, and not too early.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if error.status() == StatusCode::UNAUTHORIZED {
            // Every 401 wants a challenge (RFC 9110): here, log in.
            headers
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        response
    }
}

fn provider(token_url: String) -> Result<Provider, Box<dyn Error>> {
    let endpoint =
        EndpointSettings { token_url, client_id: "gateway".to_owned(), ..EndpointSettings::default() };
    Ok(Provider::new(PROVIDER, PolicySettings::default().build()?, Arc::new(endpoint.build()?))?)
}

/// The servers outside of the gateway.
struct World {
    token_url: String,
    api_url: String,
    /// Of alice.
    credential: Vec<u8>,
    /// It stops when this is dropped.
    _acme: Option<AuthorizationServer>,
}

impl World {
    async fn of(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        match arguments {
            [] => Self::of_its_own().await,
            [token_url, api_url, file] => Ok(Self {
                token_url: token_url.clone(),
                api_url: api_url.clone(),
                credential: fs::read(file)?,
                _acme: None,
            }),
            _ => {
                Err("expected nothing, or a token URL, the URL of an API and a file with a credential".into())
            }
        }
    }

    async fn of_its_own() -> Result<Self, Box<dyn Error>> {
        let acme = AuthorizationServer::start(Replay::StrictFamily).await?;
        let credential = serde_json::json!({ "refresh_token": acme.grant("alice").refresh_token });
        Ok(Self {
            token_url: acme.token_url(),
            api_url: acme.resource_url(),
            credential: credential.to_string().into_bytes(),
            _acme: Some(acme),
        })
    }
}
