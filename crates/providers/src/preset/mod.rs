//! What is known about providers.

mod atproto;
mod codex;
mod oauth2;

use solekey_core::{InputError, Replay};

use crate::EndpointSettings;

/// What we know about one provider: data with a date, each part of which settings may override.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preset {
    /// Its name in settings.
    pub name: &'static str,
    /// When, and with what, it was last compared.
    pub as_of: &'static str,
    /// What the provider does with a spent refresh token.
    pub replay: Replay,
    /// How its token endpoint is spoken to, dialect included.
    pub endpoint: EndpointSettings,
}

impl Preset {
    /// Looks a preset up.
    ///
    /// # Errors
    /// There is none of that name; the error lists those that are.
    pub fn named(name: &str) -> Result<Self, InputError> {
        let known = Self::all();
        let names: Vec<_> = known.iter().map(|preset| preset.name).collect();
        let unknown = InputError::new("preset", format!("one of {}", names.join(", ")));
        known.into_iter().find(|preset| preset.name == name).ok_or(unknown)
    }

    /// Every preset there is.
    pub fn all() -> Vec<Self> {
        vec![oauth2::preset(), codex::preset(), atproto::preset()]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_core::ports::TokenEndpoint;

    use super::*;

    #[test]
    fn codex_works_as_it_is_and_with_every_part_replaced() {
        let preset = Preset::named("codex").unwrap();
        assert!(preset.replay.revokes_families());
        let endpoint = preset.endpoint.clone().build().unwrap();
        assert_eq!(endpoint.client(), "https://auth.openai.com/oauth/token app_EMoamEEZ73f0CkXaXp7hrann");
        let own = EndpointSettings { token_url: "http://127.0.0.1:9/t".to_owned(), ..preset.endpoint };
        assert_eq!(own.build().unwrap().client(), "http://127.0.0.1:9/t app_EMoamEEZ73f0CkXaXp7hrann");
    }

    #[test]
    fn a_provider_we_know_nothing_about_has_to_be_described() {
        let preset = Preset::named("oauth2").unwrap();
        assert_eq!(preset.replay, Replay::STRICT_FAMILY);
        assert_eq!(preset.endpoint.clone().build().unwrap_err().field(), "token_url");
        let half = EndpointSettings { token_url: "https://auth.example/token".to_owned(), ..preset.endpoint };
        assert_eq!(half.build().unwrap_err().field(), "client_id");
    }

    #[test]
    fn atproto_wants_a_client_and_the_key_that_its_sessions_are_bound_to() {
        let preset = Preset::named("atproto").unwrap();
        assert!(preset.replay.revokes_families());
        assert_eq!(preset.endpoint.clone().build().unwrap_err().field(), "client_id");
        let half = EndpointSettings { client_id: "https://app.example/c.json".to_owned(), ..preset.endpoint };
        assert_eq!(half.build().unwrap_err().field(), "dpop_key");
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = Preset::named("codecs").unwrap_err();
        assert_eq!((error.field(), error.expected()), ("preset", "one of oauth2, codex, atproto"));
    }
}
