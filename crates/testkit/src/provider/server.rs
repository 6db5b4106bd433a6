use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::builder::AuthorizationServerBuilder;
use super::endpoint_state::EndpointState;
use super::fault::Injection;
use super::grants::Holder;
use super::hold::HeldRequest;
use super::http;
use super::pair::Pair;
use super::referee::{Presentation, Tally};
use super::replay::Replay;

/// A strict OAuth authorization server on a port of its own; see the [module](super) for a tour.
///
/// It stops, and closes every connection, when it is dropped.
pub struct AuthorizationServer {
    endpoint_state: Arc<EndpointState>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl AuthorizationServer {
    /// Settings, to be ended with [`start`](AuthorizationServerBuilder::start).
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::default()
    }

    /// Starts a server of this class, everything else by default.
    ///
    /// # Errors
    /// When no port can be bound.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn start(replay: Replay) -> io::Result<Self> {
        Self::builder().replay(replay).start().await
    }

    pub(super) async fn bind(endpoint_state: Arc<EndpointState>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(http::accept(listener, endpoint_state.clone()));
        Ok(Self { endpoint_state, address, task })
    }

    /// Stops the server and waits until its port and connections are closed.
    ///
    /// # Cancel safety
    /// The server stops even if the future is dropped; only the waiting is lost.
    pub async fn stop(mut self) {
        self.task.abort();
        // The task can only end by being cancelled.
        let _ = (&mut self.task).await;
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token endpoint.
    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The token endpoint under a URL of its own: the log says who came through it. Give each replica its own.
    /// `via` is one path segment, e.g. `replica-1`.
    pub fn token_url_for(&self, via: &str) -> String {
        format!("{}/{via}", self.token_url())
    }

    /// The server's issuer identifier: the audience of assertions, and where its metadata says what its token endpoint is.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An issuer of its own, whose metadata names [the token endpoint of this label](Self::token_url_for).
    pub fn issuer_for(&self, via: &str) -> String {
        format!("{}/{via}", self.issuer())
    }

    /// A resource that wants a working access token: 200, or 401 with `invalid_token`.
    pub fn resource_url(&self) -> String {
        format!("http://{}/resource", self.address)
    }
}

/// Accounts and tokens.
impl AuthorizationServer {
    /// Logs the account in: a new family with its first pair. Earlier families of the account stay as they are.
    pub fn grant(&self, account: &str) -> Pair {
        let state = &mut *self.endpoint_state.state();
        let now = self.endpoint_state.now(state);
        state.grants.grant(account, now)
    }

    /// The same, to whoever holds the key with this [thumbprint](super::KeyPair::thumbprint); needs
    /// [`dpop`](AuthorizationServerBuilder::dpop).
    pub fn grant_to(&self, account: &str, thumbprint: &str) -> Pair {
        let pair = self.grant(account);
        let holder = Holder { key: Some(thumbprint.to_owned()), client_key: None };
        self.endpoint_state.state().grants.bind(&pair.refresh_token, &holder);
        pair
    }

    /// The newest pair of the account's newest family: what a client that lost nothing holds.
    pub fn newest(&self, account: &str) -> Option<Pair> {
        self.endpoint_state.state().grants.newest(account)
    }

    /// Returns the access and refresh tokens minted for the account, as far back as the server remembers: for tests
    /// that search for tokens where none should be.
    pub fn tokens_of(&self, account: &str) -> Vec<String> {
        self.endpoint_state.state().grants.tokens_of(account)
    }

    /// Returns whether the access token works at this moment. Does not count as using it.
    pub fn is_valid(&self, access_token: &str) -> bool {
        let state = &*self.endpoint_state.state();
        state.grants.accepts(access_token, self.endpoint_state.now(state))
    }

    /// Makes the resource answer 401 `invalid_token` for this access token from now on. `false` if it is unknown.
    pub fn reject_access(&self, access_token: &str) -> bool {
        self.endpoint_state.state().grants.reject_access(access_token)
    }

    /// Withdraws every grant of the account, as a person may in the provider's settings. Not counted as burned.
    pub fn withdraw(&self, account: &str) {
        self.endpoint_state.state().grants.withdraw(account);
    }

    /// Moves the server's clock forward: tokens expire, windows end and timers turn, without anybody sleeping.
    pub fn advance(&self, by: Duration) {
        self.endpoint_state.state().advanced += by;
    }
}

/// Faults and holds.
impl AuthorizationServer {
    /// Lets requests meet a fault; see [`Fault`](super::Fault).
    pub fn inject(&self, injection: impl Into<Injection>) {
        self.endpoint_state.state().faults.inject(injection.into());
    }

    /// Takes back all faults that have not met a request. Requests being held stay held.
    pub fn clear_faults(&self) {
        self.endpoint_state.state().faults.clear();
    }

    /// Takes back the faults injected [`on`](super::Fault::on) this account.
    pub fn clear_faults_of(&self, account: &str) {
        self.endpoint_state.state().faults.clear_of(account);
    }

    /// Waits until a request of this account is being held. Never ends if none is: bound it with a timeout.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn held(&self, account: &str) -> HeldRequest {
        loop {
            let next = self.endpoint_state.events.notified();
            let held = self.endpoint_state.state().holds.first_of(account);
            match held {
                Some(held) => return held,
                None => next.await,
            }
        }
    }

    /// Lets the requests of this account that are being held go on; returns how many. Later ones are held anew.
    pub fn release(&self, account: &str) -> usize {
        self.endpoint_state.state().holds.release(account)
    }

    /// Lets all requests that are being held go on; returns how many.
    pub fn release_all(&self) -> usize {
        self.endpoint_state.state().holds.release_all()
    }
}

/// The referee.
impl AuthorizationServer {
    /// All counts.
    pub fn tally(&self) -> Tally {
        self.endpoint_state.state().referee.total()
    }

    /// The counts of one account.
    pub fn tally_of(&self, account: &str) -> Tally {
        self.endpoint_state.state().referee.of(account)
    }

    /// Requests that named a refresh token.
    pub fn presentations(&self) -> u64 {
        self.tally().presentations
    }

    /// Requests for metadata.
    pub fn lookups(&self) -> u64 {
        self.endpoint_state.state().lookups
    }

    /// Successful exchanges of living tokens.
    pub fn rotations(&self) -> u64 {
        self.tally().rotations
    }

    /// Presentations that should never have been made: of a token that was spent, or of which another presentation
    /// was open. A replaced token that came back inside what its class allows is an
    /// [allowed replay](Tally::allowed_replays) instead.
    pub fn double_presentations(&self) -> u64 {
        self.tally().double_presentations
    }

    /// Accounts of which a family was revoked because a spent token came back, sorted.
    pub fn burned_accounts(&self) -> Vec<String> {
        self.endpoint_state.state().referee.burned()
    }

    /// The log, oldest first. It keeps the newest 100,000 presentations; the counts miss none.
    pub fn log(&self) -> Vec<Presentation> {
        self.endpoint_state.state().referee.log().cloned().collect()
    }

    /// The log as one JSON object per line.
    pub fn log_json_lines(&self) -> String {
        let line = |presentation| serde_json::to_string(&presentation).unwrap_or_default() + "\n";
        self.log().into_iter().map(line).collect()
    }

    /// Writes the log to a file as JSON lines, replacing what was there. Blocks while it writes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_log(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, self.log_json_lines())
    }

    /// Waits until `happened` says so; it is asked now and after every event at the token endpoint (a presentation
    /// arrived, is held, or was closed). Bound it with a timeout.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_until(&self, mut happened: impl FnMut(&Self) -> bool) {
        loop {
            let next = self.endpoint_state.events.notified();
            if happened(self) {
                return;
            }
            next.await;
        }
    }
}

impl Drop for AuthorizationServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("address", &self.address)
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}
