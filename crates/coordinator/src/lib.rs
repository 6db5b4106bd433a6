//! One OAuth refresh owner per account, across every replica of your gateway.
//!
//! Providers rotate refresh tokens: each works once, and presenting a spent one can revoke the whole grant. Replicas
//! that refresh on their own burn accounts. With Solekey one replica presents the refresh token, and everybody else
//! gets the new access token: by push where there is Redis or PostgreSQL, by polling where there is neither.
//!
#![cfg_attr(all(feature = "providers", feature = "sqlite"), doc = "```")]
#![cfg_attr(not(all(feature = "providers", feature = "sqlite")), doc = "```ignore")]
//! use std::sync::Arc;
//!
//! use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
//! use solekey::{
//!     DEFAULT_DRAIN, Provider, Solekey,
//!     core::{Account, PolicySettings},
//!     providers::EndpointSettings,
//! };
//! use solekey_testkit::provider::{AuthorizationServer, Replay};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A provider that revokes whole grants, and notices everything.
//! let acme = AuthorizationServer::start(Replay::StrictFamily).await?;
//!
//! // Where to refresh, and how: every number is validated here, and only here. A provider with a preset is one line:
//! // Provider::preset("codex")?
//! let endpoint = EndpointSettings {
//!     token_url: acme.token_url(),
//!     client_id: "gateway".to_owned(),
//!     ..EndpointSettings::default()
//! };
//! let policy = PolicySettings::default().build()?;
//! let provider = Provider::new("acme", policy, Arc::new(endpoint.build()?))?;
//!
//! // Rows in one file that all processes of this host share. For a fleet, this line is another one:
//! // Solekey::builder().redis("redis://redis.internal:6379").state_dir("/var/lib/acme-gateway")
//! # let folder = tempfile::tempdir()?;
//! let solekey = Solekey::embedded(folder.path().join("solekey.db")).provider(provider).build().await?;
//!
//! let alice = Account::new("acme", "alice")?;
//! let pair = acme.grant("alice");
//! let document = format!(
//!     r#"{{"access_token": "{}", "refresh_token": "{}", "expires_in": 3600}}"#,
//!     pair.access_token, pair.refresh_token
//! );
//! solekey.login(&alice, document.as_bytes(), false).await?;
//!
//! // In the request path. The header's value is marked sensitive, and a token cannot be printed.
//! let token = solekey.token(&alice).await?;
//! let request = http::Request::get("https://api.acme.example/").header("authorization", token.bearer());
//! # drop(request);
//! # let status = StatusCode::UNAUTHORIZED;
//! # let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))]);
//!
//! // A resource that refuses the token is evidence; one rotation serves all who report it.
//! if let Some(rejection) = token.rejected_by(status, &headers) {
//!     let another = solekey.token_after_rejection(&alice, rejection).await?;
//!     assert!(another.generation() > token.generation());
//! }
//! assert_eq!((acme.presentations(), acme.double_presentations()), (1, 0));
//!
//! // Before the process ends: what was sent is awaited and written down.
//! solekey.shutdown(DEFAULT_DRAIN).await;
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
//! # What is not promised
//!
//! The lease by itself is not mutual exclusion, and nothing rests on it. The window in which the provider has rotated and
//! no byte has been written yet cannot be closed by any client: what follows is the provider's
//! [replay rule](core::Replay), which is a setting.
//!
//! # Items
//!
//! - [`Solekey`] is the handle; [`Builder`] collects its parts.
//! - [`AccessToken`] is what callers get; [`TokenError`] sorts failures by what the caller does next, with a status and a
//!   time to come back.
//! - [`Login`], [`Exported`], [`AccountState`] and [`Explanation`] are for operators of accounts; [`Changes`] is a subscription to changes.
//! - [`SealKeys`] keep tokens out of what is stored and shared.
//! - [`Observer`] and [`Stats`] are for whoever counts, [`AfterCommit`] for lookups after a refresh.
//! - [`core`] holds the protocol.
//!
//! Features: `redis` and `providers` (on), `sqlite` and `postgres` (off; they need Rust 1.94). Programs to copy from are in
//! `examples/` of the repository.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod accounts;
mod answer_files;
mod backends;
mod background;
mod builder;
mod error;
mod explain;
mod fleet;
mod flight;
mod health;
#[cfg(test)]
mod laws;
mod observer;
mod process;
mod provider;
mod provider_map;
mod seal;
mod shutdown;
mod solekey;
mod stats;
mod sync;
mod token;

pub use accounts::{AccountPage, AccountState, Exported, Login, LoginOptions, Status};
#[cfg(feature = "sqlite")]
pub use backends::folder_of_answers;
pub use background::{AfterCommit, Committed, Sealing};
pub use builder::Builder;
pub use error::{AccountError, BuildError, TokenError};
pub use explain::{
    Explanation, History, LocalView, Next, OpenAttempt, ProviderAnswer, Step, StoredAnswers, VerdictView,
};
pub use fleet::{Change, Changes};
pub use health::{Condition, Health};
pub use observer::{Event, LeaseOutcome, Level, Observer, RefreshResult};
pub use process::{ProcessClock, RedisLinkState, RedisPhase, UnreadProvider};
pub use provider::Provider;
pub use seal::{SealCount, SealKeys};
pub use shutdown::{DEFAULT_DRAIN, Shutdown};
pub use solekey::Solekey;
pub use solekey_core as core;
#[cfg(feature = "providers")]
pub use solekey_providers as providers;
pub use stats::Stats;
pub use token::{AccessToken, Rejection};
