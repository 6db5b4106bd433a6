//! One provider: what its settings come to.

use http::StatusCode;
use solekey::{
    CodeAssistProject, Provider,
    core::{InputError, Limits, PolicySettings, Replay, Stale, secret},
};
use solekey_providers::{
    BodyFormat, ClientAuth, CodeAssist, EndpointSettings, FallbackClient, Preset, SecretPlace,
};
use std::{sync::Arc, time::Duration};
use url::Url;

use super::{
    client::{ClientSettings, dpop},
    environment::Environment,
    settings::{
        BodyName, ClientAuthName, InDoubtName, OnLockHeld, OnRefreshError, ProviderSettings, ReplayName,
        StaleName,
    },
    span::Span,
};
use crate::doctor::TokenHost;

/// A provider, and whether its owner accepts that a weak store may lose a rotation.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) provider: Provider,
    pub(super) accepts_loss: bool,
    /// Who looks up what its accounts lack, if somebody shall.
    pub(super) project: Option<CodeAssistProject>,
    /// Its token URL, or the issuer whose metadata has it.
    host_url: String,
}

impl Configured {
    /// Where its token endpoint listens.
    pub(super) fn token_host(&self) -> Option<TokenHost> {
        let url = Url::parse(&self.host_url).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(TokenHost {
            provider: self.provider.name().to_owned(),
            host,
            port: url.port_or_known_default()?,
        })
    }
}

impl ProviderSettings {
    /// Validates the settings of one provider.
    pub(super) fn build(self, environment: &Environment) -> Result<Configured, InputError> {
        let name = self.name.clone();
        self.checked(environment).map_err(|error| locate(&name, &error))
    }

    fn checked(self, environment: &Environment) -> Result<Configured, InputError> {
        let Self {
            name,
            preset,
            token_url,
            issuer,
            issuer_of_account,
            client_id,
            client_auth,
            client_secret_env,
            client_key_env,
            client_key_id,
            client_older_key_env,
            client_older_key_id,
            dpop_key_env,
            body,
            scope,
            replay,
            grace,
            refresh_ahead,
            refresh_rate,
            refresh_concurrency,
            exchange_timeout,
            not_processed,
            on_lock_held,
            max_wait,
            lease,
            quarantine,
            skew,
            in_doubt,
            stale,
            on_refresh_error,
            accept_loss,
            fallback_client_id,
            fallback_client_secret_env,
            assumed_lifetime,
            refresh_life,
            code_assist_project,
        } = self;
        let project = code_assist_project.then(|| project_lookup(&name, preset.as_deref())).transpose()?;
        let preset = Preset::named(preset.as_deref().unwrap_or("oauth2"))?;
        let replay = replay.map(|name| replay_rule(name, grace)).transpose()?.unwrap_or(preset.policy.replay);
        let base = preset.policy;
        let refresh_ahead = or(refresh_ahead, base.refresh_ahead);
        let asked = Asked { on_lock_held, max_wait, stale, on_refresh_error };
        let policy = PolicySettings {
            replay,
            in_doubt: in_doubt.map_or(base.in_doubt, InDoubtName::into),
            stale: asked.stale(&base),
            exchange_timeout: or(exchange_timeout, base.exchange_timeout),
            quarantine: quarantine.map(|Span(span)| span),
            lease_ttl: lease.ttl.map(|Span(span)| span),
            // Derived where it is not set: refreshing has to start before the token stops being good enough.
            skew: or(skew, base.skew.min(refresh_ahead / 2)),
            refresh_ahead,
            max_wait: asked.max_wait(&base),
            assumed_lifetime: or(assumed_lifetime, base.assumed_lifetime),
            refresh_life: refresh_life.map_or(base.refresh_life, |Span(span)| Some(span)),
        };
        let client_auth = match client_auth {
            Some(way) => Some(way),
            None => proof(&preset, client_secret_env.is_some())?,
        };
        let endpoint = preset.endpoint;
        let dialect = match not_processed {
            Some(statuses) => endpoint.dialect.clone().not_processed(checked_statuses(&statuses)?),
            None => endpoint.dialect.clone(),
        };
        let client = ClientSettings {
            client_auth,
            client_secret_env,
            client_key_env,
            client_key_id,
            client_older_key_env,
            client_older_key_id,
        };
        let issuer = issuer.or(endpoint.issuer);
        let token_url = token_url.unwrap_or(endpoint.token_url);
        let host_url =
            if token_url.is_empty() { issuer.clone().unwrap_or_default() } else { token_url.clone() };
        let client_auth = client.build(endpoint.client_auth, environment)?;
        let fallback_client =
            fallback(fallback_client_id, fallback_client_secret_env, &client_auth, environment)?;
        let endpoint = EndpointSettings {
            token_url,
            issuer,
            issuer_of_account: issuer_of_account.unwrap_or(endpoint.issuer_of_account),
            dpop: dpop(dpop_key_env, endpoint.dpop, environment)?,
            client_id: client_id.unwrap_or(endpoint.client_id),
            client_id_name: endpoint.client_id_name,
            client_auth,
            fallback_client: fallback_client.or(endpoint.fallback_client),
            body: body.map_or(endpoint.body, BodyName::into),
            scope: scope.or(endpoint.scope),
            params: endpoint.params,
            dialect,
            connect_timeout: endpoint.connect_timeout,
            proxy: endpoint.proxy,
        };
        let provider = Provider::new(&name, policy.build()?, Arc::new(endpoint.build()?))?
            .background(limits(refresh_rate, refresh_concurrency));
        Ok(Configured { provider, accepts_loss: accept_loss, host_url, project })
    }
}

/// Puts the path to the key in front of its name.
pub(super) fn locate(provider: &str, error: &InputError) -> InputError {
    let printable = !provider.is_empty() && !provider.contains(char::is_control);
    let shown = if provider.len() <= MAX_SHOWN && printable { provider } else { "?" };
    InputError::new(format!("provider.{shown}.{}", error.field()), error.expected())
}

/// Who finds the project of accounts that were imported without one.
fn project_lookup(provider: &str, preset: Option<&str>) -> Result<CodeAssistProject, InputError> {
    let code_assist = match preset {
        Some("gemini") => CodeAssist::gemini(),
        Some("antigravity") => CodeAssist::antigravity(),
        _ => {
            let expected = "to go with preset = \"gemini\" or \"antigravity\"";
            return Err(InputError::new("code_assist_project", expected));
        }
    };
    Ok(CodeAssistProject::new(provider, code_assist?))
}

fn or(set: Option<Span>, default: Duration) -> Duration {
    set.map_or(default, |Span(span)| span)
}

/// A rate of 0 switches the background off; what is beyond the bounds is clamped.
fn limits(rate: Option<u32>, concurrency: Option<u32>) -> Option<Limits> {
    let rate = rate.unwrap_or(Limits::DEFAULT.rate());
    let concurrency = concurrency.unwrap_or(Limits::DEFAULT.places());
    (rate > 0).then(|| Limits::new(rate, concurrency))
}

fn replay_rule(name: ReplayName, grace: Option<Span>) -> Result<Replay, InputError> {
    Ok(match name {
        ReplayName::NonRotating => Replay::NON_ROTATING,
        ReplayName::OldStaysValid => Replay::OLD_STAYS_VALID,
        ReplayName::Timer => Replay::TIMER,
        ReplayName::UntilUsed => Replay::UNTIL_USED,
        ReplayName::Strict => Replay::STRICT,
        ReplayName::StrictFamily => Replay::STRICT_FAMILY,
        ReplayName::Grace => match grace {
            Some(Span(window)) if !window.is_zero() => Replay::grace(window),
            _ => return Err(InputError::new("grace", "a duration above zero, with replay = \"grace\"")),
        },
    })
}

/// What somebody asked for who has to wait. `on_lock_held` is another spelling of `max_wait` and `stale`,
/// `on_refresh_error` of `stale`, and of several the stricter one wins.
struct Asked {
    on_lock_held: Option<OnLockHeld>,
    max_wait: Option<Span>,
    stale: Option<StaleName>,
    on_refresh_error: Option<OnRefreshError>,
}

impl Asked {
    fn max_wait(&self, preset: &PolicySettings) -> Duration {
        match self.on_lock_held {
            Some(OnLockHeld::UseExisting | OnLockHeld::Fail) => Duration::ZERO,
            Some(OnLockHeld::WaitForCache) if preset.max_wait.is_zero() => {
                or(self.max_wait, PolicySettings::default().max_wait)
            }
            Some(OnLockHeld::WaitForCache) | None => or(self.max_wait, preset.max_wait),
        }
    }

    fn stale(&self, preset: &PolicySettings) -> Stale {
        let fails = self.on_lock_held == Some(OnLockHeld::Fail);
        match (self.stale, self.on_refresh_error) {
            _ if fails => Stale::Refuse,
            (Some(StaleName::Refuse), _) => Stale::Refuse,
            // Refusing after a failure and not waiting for a success: what there is is used in between.
            (_, Some(OnRefreshError::ReturnError)) if self.uses_existing(preset) => Stale::WhileRefreshing,
            (_, Some(OnRefreshError::ReturnError)) => Stale::Refuse,
            (Some(StaleName::WhileRefreshing), _) => Stale::WhileRefreshing,
            (Some(StaleName::Serve), _) | (None, Some(OnRefreshError::UseExisting)) => Stale::Serve,
            (None, None) => preset.stale,
        }
    }

    fn uses_existing(&self, preset: &PolicySettings) -> bool {
        self.on_lock_held
            .map_or(preset.stale == Stale::WhileRefreshing, |held| held == OnLockHeld::UseExisting)
    }
}

/// How a client proves itself where its secret is all that was given, and that it does where it has to.
fn proof(preset: &Preset, has_secret: bool) -> Result<Option<ClientAuthName>, InputError> {
    if preset.needs_secret && !has_secret {
        let expected =
            "the name of an environment variable that holds the secret, which this provider demands";
        return Err(InputError::new("client_secret_env", expected));
    }
    Ok(preset.client_secret.filter(|_| has_secret).map(|place| match place {
        SecretPlace::Header => ClientAuthName::Basic,
        SecretPlace::Body => ClientAuthName::Post,
    }))
}

/// The second client, which proves itself as the first one does.
fn fallback(
    client_id: Option<String>,
    variable: Option<String>,
    first: &ClientAuth,
    environment: &Environment,
) -> Result<Option<FallbackClient>, InputError> {
    let refuse = |field: &'static str, expected: &str| Err(InputError::new(field, expected));
    let Some(client_id) = client_id else {
        return match variable {
            None => Ok(None),
            Some(_) => refuse("fallback_client_id", "to be given with fallback_client_secret_env"),
        };
    };
    let held = variable.and_then(|variable| environment.value(&variable)).map(secret);
    let client_auth = match (first, held) {
        (ClientAuth::None, None) => ClientAuth::None,
        (ClientAuth::Basic(_), Some(secret)) => ClientAuth::Basic(secret),
        (ClientAuth::Post(_), Some(secret)) => ClientAuth::Post(secret),
        _ => {
            let expected =
                "the name of an environment variable that holds a secret, where client_secret_env is one";
            return refuse("fallback_client_secret_env", expected);
        }
    };
    Ok(Some(FallbackClient { client_id, client_auth }))
}

fn checked_statuses(statuses: &[u16]) -> Result<Vec<StatusCode>, InputError> {
    let error =
        |status: &u16| (400..600).contains(status).then(|| StatusCode::from_u16(*status).ok()).flatten();
    statuses
        .iter()
        .map(|status| {
            error(status).ok_or_else(|| InputError::new("not_processed", "statuses from 400 to 599"))
        })
        .collect()
}

impl From<BodyName> for BodyFormat {
    fn from(name: BodyName) -> Self {
        match name {
            BodyName::Form => Self::Form,
            BodyName::Json => Self::Json,
        }
    }
}

/// As long as provider names usually are; errors should not repeat a novel.
const MAX_SHOWN: usize = 64;
