//! The keys of the configuration, each declared once: its name and type, and in its doc comment what people read about it.
//!
//! The file, the environment, `solekey config check` and `schema` and the tables of `docs/configuration.md` follow from
//! here, through [`keys`](super::keys). A default that presets and code do not show is written in `x-default`, as Markdown;
//! `x-section` names the table of the page where the general one is not meant.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use solekey::core::Secret;

use super::{
    choices::{BodyName, ClientAuthName, InDoubtName, OnLockHeld, OnRefreshError, ReplayName, StaleName},
    listen::Listen,
    mirror::MirrorSettings,
    schema::{in_order, preset_names},
    span::Span,
};
use crate::hosts::HostName;

/// The configuration of the Solekey sidecar.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "solekey.toml", transform = in_order::<Self>)]
pub(super) struct Settings {
    /// The address to listen on: a loopback address with a port (port 0: any free one; the line `listening on ADDR` on
    /// standard output has it), or `unix:PATH`, a socket for its owner and group. Whoever can connect gets tokens, so
    /// nothing else is accepted.
    #[schemars(with = "Option<String>", extend("x-default" = "`127.0.0.1:8750`"))]
    pub(super) listen: Option<Listen>,
    /// The names, besides those of loopback, by which requests may call the sidecar in `Host`: names or addresses without
    /// a port, at most 64; in the environment separated by commas. Every other one is answered with 421, because a page in
    /// a browser can make its own name resolve to loopback: [below](#who-may-ask). On a socket file `Host` does not matter.
    #[schemars(with = "Option<Vec<String>>", extend("x-default" = "none"))]
    pub(super) hosts: Option<Vec<HostName>>,
    /// The server that replicas coordinate through.
    pub(super) redis: Option<RedisSettings>,
    /// The store that keeps the rows.
    #[serde(default)]
    pub(super) store: StoreSettings,
    /// The folder that keeps answers as files (mode 0600) when Redis is the store, or absent. Not used with Redis and
    /// SQLite or PostgreSQL together: answers are in Redis then. It holds rotated pairs that are not committed yet: keep it
    /// on a disk that outlives the process, and not on one that hosts share.
    #[schemars(extend("x-default" = "`solekey-state`; with SQLite, the file's name and `.answers`, in the same folder"))]
    pub(super) state_dir: Option<PathBuf>,
    /// The keys that seal what is stored and shared.
    #[serde(default)]
    pub(super) seal: SealSettings,
    /// The providers whose accounts are refreshed.
    #[serde(default)]
    pub(super) provider: Vec<ProviderSettings>,
    /// The files of command line tools that are kept fresh.
    #[serde(default)]
    pub(super) mirror: Vec<MirrorSettings>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct RedisSettings {
    /// The URL of the Redis or Valkey that replicas coordinate through. Without it, all processes of one host share one
    /// SQLite file, or those of all hosts the PostgreSQL in `store.url`. A server that is away is no error: the sidecar
    /// starts, warns, and reports it in `/readyz`.
    #[schemars(extend("x-default" = "none"))]
    pub(super) url: Password,
    /// The text that all keys in Redis begin with. Two fleets with the same prefix on one server are one fleet; with
    /// different stores or seal keys, that is detected and nothing is refreshed.
    #[schemars(extend("x-default" = "`solekey`"))]
    pub(super) prefix: Option<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct StoreSettings {
    /// The store that keeps the rows: `redis`; `postgres://USER:PASSWORD@HOST:PORT/DATABASE` ([below](#postgresql)); or
    /// `sqlite://PATH` (relative, or with three slashes absolute). SQLite is for one host: replicas on several hosts need
    /// one store, which is Redis or PostgreSQL.
    #[schemars(extend("x-default" = "`redis` with `[redis]`, else `sqlite://solekey.db`"))]
    pub(super) url: Option<Password>,
    /// The same as `state_dir`; one of the two may be given.
    pub(super) state_dir: Option<PathBuf>,
    /// The same as `accept_loss` of a provider, for all of them.
    #[schemars(extend("x-section" = "expert"))]
    pub(super) accept_loss: Option<bool>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct SealSettings {
    /// The environment variable that holds the key ring: `id:base64` or several, separated by commas, of 32 bytes each
    /// (`echo "k1:$(openssl rand -base64 32)"`). The first seals, all open, and what another one sealed is sealed again by
    /// the first in the background: [below](#changing-the-seal-key). Without keys, tokens lie in clear in Redis, SQLite and
    /// PostgreSQL. A wrong key is noticed before anything is refreshed. Sealing covers tokens everywhere and, in Redis, the
    /// names of accounts; SQLite and PostgreSQL keep the names in clear, because they are their keys.
    #[schemars(extend("x-default" = "`SOLEKEY_SEAL_KEY`, if it is set"))]
    pub(super) key_env: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct ProviderSettings {
    /// The `{provider}` of the paths; each name once.
    pub(super) name: String,
    /// One of the [known providers](providers.md), or `oauth2`, which assumes nothing but the standard; accounts of AT
    /// Protocol need [keys](#at-protocol). Every other key overrides what the preset brings.
    #[schemars(transform = preset_names, extend("x-default" = "`oauth2`"))]
    pub(super) preset: Option<String>,
    /// The URL at which refresh tokens are presented: https; http on loopback only.
    pub(super) token_url: Option<String>,
    /// The client that the provider knows the gateway by; visible ASCII.
    pub(super) client_id: Option<String>,
    /// The way in which the client authenticates itself: `none`, `basic` or `post`, with the secret in the header or in the
    /// body; or `private_key_jwt`: [below](#clients-that-sign).
    #[schemars(extend("x-default" = "`none`; with a secret, the preset's"))]
    pub(super) client_auth: Option<ClientAuthName>,
    /// The environment variable that holds the client's secret. No preset has a secret, not even those that are published.
    pub(super) client_secret_env: Option<String>,
    /// A second client, for accounts whose refresh token the first one may not present: where the provider answers
    /// `unauthorized_client`, it is tried at once, in an attempt of its own, and from then on first for that account. It
    /// authenticates itself as the first one does.
    pub(super) fallback_client_id: Option<String>,
    /// The environment variable that holds the second client's secret.
    pub(super) fallback_client_secret_env: Option<String>,
    /// The format of the request: `form`, as RFC 6749 has it, or `json`.
    pub(super) body: Option<BodyName>,
    /// The scope that is sent with every refresh. Without it the granted scope stays.
    pub(super) scope: Option<String>,
    /// The rule by which the provider treats a spent refresh token: [below](#replay).
    pub(super) replay: Option<ReplayName>,
    /// With `replay = "grace"`: the time for which a spent refresh token is accepted again.
    #[schemars(extend("x-default" = "the preset's, unless `replay` is set"))]
    pub(super) grace: Option<Span>,
    /// The time before expiry at which refreshing begins, in the background. At most a quarter of a token's life, and
    /// `365d`.
    pub(super) refresh_ahead: Option<Span>,
    /// The number of background refreshes, which no request waits for, that all replicas together start at this provider in
    /// a second; at most `1000`: [below](#background). `0`: only what is requested is refreshed.
    pub(super) refresh_rate: Option<u32>,
    /// The number of background refreshes that may be under way at once in all replicas together; at most `256`.
    pub(super) refresh_concurrency: Option<u32>,
    /// The time after which callers no longer wait for the provider's answer, which is read on; `10ms` to `2m`. Most other times follow from it.
    pub(super) exchange_timeout: Option<Span>,
    /// The statuses, 400 to 599, which mean that the refresh token was not consumed. Adding 503 is tempting and dangerous:
    /// a proxy answers 503 after the provider rotated, too. Add only what the provider promises.
    pub(super) not_processed: Option<Vec<u16>>,
    /// The time that a request waits for a token that another replica or task is fetching; at most `5m`. After that it gets
    /// the old one if it is still valid, marked stale, else 503 with `Retry-After`.
    pub(super) max_wait: Option<Span>,
    /// The time that an access token lasts whose provider does not specify it; `1s` to `1d`. Refreshing starts and it counts
    /// as stale by then; it is served for a day at most, unless its resource rejects it.
    pub(super) assumed_lifetime: Option<Span>,
    /// The time that a refresh token lasts while it is not used, where answers do not specify it; `1h` to `400d`. At half
    /// of it the account is refreshed, even if its access token does not need it.
    #[schemars(extend("x-default" = "the preset's, else unknown"))]
    pub(super) refresh_life: Option<Span>,
    /// With `preset = "gemini"` or `"antigravity"`: accounts without a `project_id` get the one that Google's Code Assist
    /// names for them; it is requested with their access token once that is safe, at most every 5 minutes each.
    pub(super) code_assist_project: Option<bool>,
    /// The behaviour of a request that finds a refresh under way. `wait_for_cache`: it waits, at most `max_wait`. `use_existing`:
    /// it does not wait (`max_wait` 0); what Redis and the store know is still read, for a second at most. `fail`: it does
    /// not wait, and `stale = "refuse"`.
    #[schemars(extend("x-default" = "`wait_for_cache`"))]
    pub(super) on_lock_held: Option<OnLockHeld>,
    /// The environment variable that holds the private key that signs: P-256, as PEM (line breaks may be written as `\n`) or
    /// as a JWK.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) client_key_env: Option<String>,
    /// The `kid` under which the client publishes the public half of that key.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) client_key_id: Option<String>,
    /// The environment variable that holds an older private key, for sessions that began with it. Servers bind a session to
    /// the key of its login, and another key is no substitute: an account names its key in the field `key_id` of its
    /// document, and one that names none is signed for with `client_key_env`. One that names a key that is not here is left
    /// alone.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) client_older_key_env: Option<String>,
    /// The `kid` of the older key.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) client_older_key_id: Option<String>,
    /// The audience of what is signed: the authorization server's issuer identifier, https (http on loopback). Without it
    /// the audience is the token URL, which AT Protocol does not accept. With an `issuer` and no `token_url`, the token
    /// endpoint is the one in the issuer's metadata (RFC 8414), if that names this very issuer: requested before an
    /// exchange, within its time, at most once an hour.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) issuer: Option<String>,
    /// Accounts live on servers of their own: each document names its issuer, in `iss` or `issuer`; `issuer` is for those
    /// that name none. With a `token_url` both are ignored. Whoever may import an account chooses the server that it is
    /// refreshed at.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) issuer_of_account: Option<bool>,
    /// Accounts belong to clients of their own: a document that names one in `client_id` is presented by that client, with the
    /// `client_secret` next to it, if there is one. Otherwise a document that names another client than `client_id` and
    /// `fallback_client_id` is refused: its refresh token would be refused, or its grant revoked.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) client_of_account: Option<bool>,
    /// The environment variable that holds the private key (format as above) that proves possession to the token endpoint
    /// (RFC 9449). A session is bound to the key of its login for good: **every replica needs the same key, and so does every
    /// gateway that uses the access tokens**, because a token of the type `DPoP` is worth nothing without a proof by it.
    /// There is no second one: with another key all sessions have to log in again.
    #[schemars(extend("x-section" = "signing"))]
    pub(super) dpop_key_env: Option<String>,
    #[serde(default)]
    pub(super) answers: AnswersSettings,
    #[serde(default)]
    pub(super) lease: LeaseSettings,
    /// The time that an attempt may be in flight before it is in doubt. More than `exchange_timeout` and its answer budget
    /// together, at most `7d`. **This is the number safety rests on**: no process may be paused, and no proxy may hold a
    /// request, for longer than it leaves. Shorter: a killed owner's account recovers sooner.
    #[schemars(extend(
        "x-section" = "expert",
        "x-default" = "twice `exchange_timeout`; where spent tokens revoke the grant at least `60s`"
    ))]
    pub(super) quarantine: Option<Span>,
    /// The time before expiry at which a token stops being good enough, so that requests wait for a new one. At most a tenth
    /// of a token's life; less than `refresh_ahead`. It covers one round trip to the resource and the error of this host's
    /// clock.
    #[schemars(extend(
        "x-section" = "expert",
        "x-default" = "`1m`, or the preset's; half of `refresh_ahead` where that is less"
    ))]
    pub(super) skew: Option<Span>,
    /// The choice where presenting again may revoke the grant: `last_chance` waits until nothing is left to lose (the access
    /// token has expired or was rejected, or half of the refresh token's life is over) and then presents once more.
    /// `ask_login` never does, and asks for a login instead: no execution revokes a grant, at the price of a person's time.
    #[schemars(extend("x-section" = "expert"))]
    pub(super) in_doubt: Option<InDoubtName>,
    /// The answer to a request when the refresh does not deliver and the old token is still valid. `serve`: the token, marked
    /// stale. `while_refreshing`: the same while a refresh is under way, and 503 once it has failed. `refuse`: 503.
    #[schemars(extend("x-section" = "expert"))]
    pub(super) stale: Option<StaleName>,
    /// An older spelling of `stale`. `return_error` is `refuse`, and with `on_lock_held = "use_existing"` it is
    /// `while_refreshing`; `use_existing` is `serve`.
    #[schemars(extend("x-section" = "expert"))]
    pub(super) on_refresh_error: Option<OnRefreshError>,
    /// Silences the warning below for this provider.
    #[schemars(extend("x-section" = "expert"))]
    pub(super) accept_loss: Option<bool>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct LeaseSettings {
    /// The time for which the lease in Redis is granted to a replica. More than `exchange_timeout`, at most `1d`.
    /// Longer: a killed owner delays the others for longer. Shorter: two replicas may both come to the claim, of which one
    /// wins; safety does not depend on it.
    #[schemars(extend(
        "x-section" = "expert",
        "x-default" = "`exchange_timeout` + a quarter of it (at most `2s`) + half of it"
    ))]
    pub(super) ttl: Option<Span>,
}

/// What the answers of a provider mean, where no preset knows it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct AnswersSettings {
    /// Error codes after which only a new login helps, in addition to `invalid_grant` and the preset's. A code that ends up
    /// here by mistake costs each account that meets it a login.
    #[schemars(extend("x-section" = "expert", "x-default" = "what the preset knows"))]
    pub(super) log_in: Option<Vec<String>>,
    /// Error codes that are about our client or our request: they delay one replica, and no account.
    #[schemars(extend("x-section" = "expert", "x-default" = "what the preset knows"))]
    pub(super) our_fault: Option<Vec<String>>,
    /// Error codes of a refusal that passes: the refresh token was not consumed, and is presented again after a pause.
    #[schemars(extend("x-section" = "expert", "x-default" = "what the preset knows"))]
    pub(super) later: Option<Vec<String>>,
    /// Places of error codes, in addition to `error` and `error.code`: names of nested objects, joined by dots.
    #[schemars(extend("x-section" = "expert", "x-default" = "what the preset knows"))]
    pub(super) code_at: Option<Vec<String>>,
    /// Places of descriptions, in addition to `error_description`, written like those of codes.
    #[schemars(extend("x-section" = "expert", "x-default" = "what the preset knows"))]
    pub(super) text_at: Option<Vec<String>>,
    /// The place of the tokens in the provider's answers: names of nested objects, joined by dots, such as
    /// `authed_user`. Where it holds none, they are searched for at the top, and in an object `data`, `result` or `response`.
    /// Answers that were kept because no token was found in them are read again at the next start.
    #[schemars(extend("x-section" = "expert", "x-default" = "the top"))]
    pub(super) at: Option<String>,
}

/// Text that may hold a password.
#[derive(Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(extend("writeOnly" = true))]
pub(super) struct Password(#[schemars(with = "String")] pub(super) Secret);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(solekey::core::secret(text))
    }
}
