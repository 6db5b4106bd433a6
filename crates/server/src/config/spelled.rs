//! Settings of the library in the words of the configuration: what a preset brings, and what a provider has in the end.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use solekey::core::{Limits, PolicySettings, Replay, Window};
use solekey_providers::{EndpointSettings, Preset};
use toml::Value;

use super::{
    choices::{BodyName, ClientAuthName, InDoubtName, ReplayName, StaleName},
    span::Span,
};

/// Values by the path of their keys.
#[derive(Default, Debug)]
pub(super) struct Values(BTreeMap<&'static str, Value>);

impl Values {
    /// The values that a preset brings, defaults included: what would have to stand in the file without it.
    pub(super) fn of_preset(preset: &Preset) -> Self {
        Self::of(preset.name, &preset.policy, &preset.endpoint, Some(Limits::DEFAULT))
    }

    /// The values that lead to these settings. Secrets are none of them.
    pub(super) fn of(
        preset: &str,
        policy: &PolicySettings,
        endpoint: &EndpointSettings,
        limits: Option<Limits>,
    ) -> Self {
        let mut values = Self::default();
        values.put("preset", Some(preset));
        values.put_policy(policy);
        values.put_endpoint(endpoint);
        values.put("refresh_rate", Some(limits.map_or(0, Limits::rate)));
        values.put("refresh_concurrency", limits.map(Limits::permits));
        values
    }

    /// Notes a value, if there is one.
    pub(super) fn put(&mut self, path: &'static str, value: Option<impl Serialize>) {
        if let Some(Ok(value)) = value.map(Value::try_from) {
            self.0.insert(path, value);
        }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path)
    }

    /// The paths that have a value.
    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    fn put_policy(&mut self, policy: &PolicySettings) {
        let PolicySettings {
            replay,
            in_doubt,
            stale,
            exchange_timeout,
            quarantine,
            lease_ttl,
            skew,
            refresh_ahead,
            max_wait,
            assumed_lifetime,
            refresh_life,
        } = *policy;
        let span = |duration: Duration| Some(Span(duration).to_string());
        self.put("replay", Some(name_of(replay)));
        if let Window::For(window) = replay.window() {
            self.put("grace", span(window));
        }
        self.put("in_doubt", Some(InDoubtName::from(in_doubt)));
        self.put("stale", Some(StaleName::from(stale)));
        self.put("exchange_timeout", span(exchange_timeout));
        self.put("quarantine", quarantine.and_then(span));
        self.put("lease.ttl", lease_ttl.and_then(span));
        self.put("skew", span(skew));
        self.put("refresh_ahead", span(refresh_ahead));
        self.put("max_wait", span(max_wait));
        self.put("assumed_lifetime", span(assumed_lifetime));
        self.put("refresh_life", refresh_life.and_then(span));
    }

    fn put_endpoint(&mut self, endpoint: &EndpointSettings) {
        // What has no key: clients' secrets and keys, and what only a preset knows.
        let EndpointSettings {
            token_url,
            issuer,
            issuer_of_account,
            client_of_account,
            dpop: _,
            client_id,
            client_id_name: _,
            client_auth,
            fallback_client,
            body,
            scope,
            params: _,
            dialect,
            connect_timeout: _,
            proxy: _,
        } = endpoint;
        let statuses = (400..600_u16).filter(|status| {
            http::StatusCode::from_u16(*status).is_ok_and(|status| dialect.leaves_unprocessed(status))
        });
        self.put("token_url", given(token_url));
        self.put("issuer", issuer.as_ref());
        self.put("issuer_of_account", Some(issuer_of_account));
        self.put("client_of_account", Some(client_of_account));
        self.put("client_id", given(client_id));
        self.put("client_auth", ClientAuthName::of(client_auth));
        self.put("fallback_client_id", fallback_client.as_ref().map(|client| &client.client_id));
        self.put("body", BodyName::of(*body));
        self.put("scope", scope.as_ref());
        let at = dialect.tokens_at().join(".");
        self.put("answers.at", given(&at));
        self.put("not_processed", Some(statuses.collect::<Vec<_>>()));
    }
}

/// Text that belongs to a tenant or to a user is empty in a preset.
fn given(text: &String) -> Option<&String> {
    Some(text).filter(|text| !text.is_empty())
}

/// The first name of a rule that has several.
fn name_of(rule: Replay) -> ReplayName {
    match rule.window() {
        Window::Always => ReplayName::NonRotating,
        Window::UntilUsed => ReplayName::UntilUsed,
        Window::For(_) => ReplayName::Grace,
        Window::Closed if rule.revokes_families() => ReplayName::StrictFamily,
        Window::Closed => ReplayName::Strict,
    }
}
