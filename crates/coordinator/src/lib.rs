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
//! // Where to refresh, and how: every number is validated here, and only here.
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
//! # Where to look
//!
//! - [`Solekey`] is the handle; [`Builder`] says what it is made of.
//! - [`AccessToken`] is what callers get; [`TokenError`] sorts failures by what the caller does next, with a status and a
//!   time to come back.
//! - [`Login`], [`AccountState`] and [`Explanation`] are for those who look after accounts; [`Changes`] tells of news.
//! - [`SealKeys`] keep tokens out of what is stored and shared.
//! - [`Observer`] and [`Vitals`] are for whoever counts, [`AfterCommit`] for what is looked up beside a refresh.
//! - [`core`] holds the protocol.
//!
//! Features: `redis` and `providers` (on), `sqlite` and `postgres` (off; they need Rust 1.94). Programs to copy from are in
//! `examples/` of the repository.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod accounts;
mod after_commit;
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
mod mirror;
mod news;
mod observer;
mod progress;
mod provider;
mod refresher;
mod reseal;
mod roster;
mod seal;
mod seal_count;
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
#[cfg(feature = "providers")]
pub use after_commit::CodeAssistProject;
pub use after_commit::{AfterCommit, Committed};
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
pub use refresher::Tended;
pub use reseal::Sealing;
pub use seal::SealKeys;
pub use seal_count::SealCount;
pub use shutdown::{DEFAULT_DRAIN, Shutdown};
pub use solekey::Solekey;
pub use solekey_core as core;
#[cfg(feature = "providers")]
pub use solekey_providers as providers;
pub use states::{AccountPage, AccountState, Status};
pub use token::{AccessToken, Rejection};
pub use vitals::{RedisLinkState, RedisPhase, Vitals};
