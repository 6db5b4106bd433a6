//! One OAuth refresh owner per account, across every replica of your gateway.
//!
//! Providers rotate refresh tokens: each works once, and presenting a spent one can revoke the whole grant. Replicas
//! that refresh on their own burn accounts. With Solekey one replica presents the refresh token, and everybody else
//! gets the new access token: by push where there is Redis, by polling where there is not.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use solekey::{Provider, Solekey, core::{Account, PolicySettings}};
//! # use solekey::core::{InputError, ports::TokenEndpoint};
//!
//! # async fn tour(endpoint: Arc<dyn TokenEndpoint>) -> Result<(), Box<dyn std::error::Error>> {
//! // How accounts of this provider are refreshed: every number is validated here, and only here.
//! let policy = PolicySettings::default().build()?;
//! // `endpoint` speaks to the provider: `solekey_providers` has them, or write your own.
//! let builder = Solekey::builder().provider(Provider::new("acme", policy, endpoint)?);
//! // Where rows, answers, tokens and leases are kept: here all in one Redis.
//! # #[cfg(feature = "redis")]
//! let solekey = builder.redis("redis://127.0.0.1:6379").state_dir("/var/lib/acme-gateway").build().await?;
//! # #[cfg(not(feature = "redis"))]
//! # let solekey = builder.build().await?;
//!
//! let alice = Account::new("acme", "alice")?;
//! solekey.login(&alice, br#"{"access_token":"at","refresh_token":"rt","expires_in":3600}"#, false).await?;
//!
//! // In the request path.
//! let token = solekey.token(&alice).await?;
//! let request = http::Request::get("https://api.acme.example/").header("authorization", token.bearer());
//! # let (response, headers) = (http::StatusCode::OK, http::HeaderMap::new());
//!
//! // A resource that refuses the token is evidence; one rotation serves all who report it.
//! if let Some(rejection) = token.rejected_by(response, &headers) {
//!     let token = solekey.token_after_rejection(&alice, rejection).await?;
//! }
//!
//! // Before the process ends: what was sent is awaited and written down.
//! solekey.shutdown(solekey::DEFAULT_DRAIN).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! One attempt reaches the token endpoint at most once, whatever happens to leases, replicas and clocks, as long as the
//! store keeps what it acknowledged. No rotated pair is lost once its bytes have reached a process that lives to write
//! them down, while store or answers can be written. A token that is truly valid is served whatever is down. Dropping a
//! future changes nothing but that caller's waiting.
//!
//! What is *not* promised: the lease by itself is not mutual exclusion, and nothing rests on it. The window in which
//! the provider has rotated and no byte has been written yet cannot be closed by any client.
//!
//! # Where to look
//!
//! [`Solekey`] is the handle; [`Builder`] says what it is made of; [`TokenError`] sorts failures by what the caller
//! does next; [`core`] holds the protocol. Features: `redis` and `providers` (on), `sqlite` and
//! `postgres` (off).

mod accounts;
mod announcement;
mod answer_files;
mod backends;
mod breakers;
mod builder;
mod changes;
mod clock;
mod confirm;
mod driver;
mod enrol;
mod error;
mod explain;
mod fingerprints;
mod flights;
mod health;
mod instance;
#[cfg(test)]
mod laws;
mod leftovers;
mod memory;
mod news;
mod observer;
mod progress;
mod provider;
mod reseal;
mod roster;
mod seal;
mod shutdown;
mod solekey;
mod states;
mod sync;
mod takeoff;
mod token;
mod told;
mod unpublished;
mod vault;
mod vigils;
mod vitals;

pub use accounts::Login;
#[cfg(feature = "sqlite")]
pub use backends::folder_of_answers;
pub use builder::Builder;
pub use changes::{Change, Changes};
pub use clock::ProcessClock;
pub use error::{AccountError, BuildError, TokenError};
pub use explain::{Beside, Explanation, Here, History, Next, OpenAttempt, Ruled, Step};
pub use health::Health;
pub use observer::{Door, Event, Level, Observer};
pub use provider::Provider;
pub use reseal::Sealing;
pub use seal::SealKeys;
pub use shutdown::{DEFAULT_DRAIN, Shutdown};
pub use solekey::Solekey;
pub use solekey_core as core;
#[cfg(feature = "providers")]
pub use solekey_providers as providers;
pub use states::{AccountPage, AccountState, Status};
pub use token::{AccessToken, Rejection};
pub use vitals::{RedisLinkState, RedisPhase, Vitals};
