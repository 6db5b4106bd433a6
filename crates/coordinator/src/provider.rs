//! A provider as the coordinator sees it.

use std::{fmt, sync::Arc};

use solekey_core::{InputError, Limits, Policy, ports::TokenEndpoint};
#[cfg(feature = "providers")]
use solekey_providers::Preset;

/// A provider: its name, how its accounts are refreshed, and where.
#[derive(Clone)]
pub struct Provider {
    name: Box<str>,
    policy: Policy,
    endpoint: Arc<dyn TokenEndpoint>,
    bare_401: bool,
    limits: Option<Limits>,
}

impl Provider {
    /// A provider named `name`, as in [`Account::provider`](solekey_core::Account::provider).
    ///
    /// # Errors
    /// The name is not one an account could have.
    pub fn new(name: &str, policy: Policy, endpoint: Arc<dyn TokenEndpoint>) -> Result<Self, InputError> {
        solekey_core::Account::new(name, "x").map_err(|error| InputError::new("name", error.expected()))?;
        Ok(Self { name: name.into(), policy, endpoint, bare_401: false, limits: Some(Limits::DEFAULT) })
    }

    /// A provider that is known, under the name of its [preset](solekey_providers::Preset) and with everything that the
    /// preset brings: replay rule, lifetimes, waiting, token endpoint, client.
    ///
    /// ```
    /// # fn main() -> Result<(), solekey::core::InputError> {
    /// use solekey::Provider;
    ///
    /// assert_eq!(Provider::preset("codex")?.name(), "codex");
    ///
    /// // This one has no clients without a secret, and presets bring none.
    /// let error = Provider::preset("gemini").unwrap_err();
    /// assert_eq!(error.field(), "client_secret");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There is no such preset, or it leaves something to its user, such as a client of one's own: the error names the field
    /// and what was expected. [`from_preset`](Self::from_preset) takes a preset in which that is filled in.
    #[cfg(feature = "providers")]
    pub fn preset(name: &str) -> Result<Self, InputError> {
        Self::from_preset(name, &Preset::named(name)?)
    }

    /// A provider named `name`, made of a preset any part of which may have been replaced.
    ///
    /// ```
    /// # fn main() -> Result<(), solekey::core::InputError> {
    /// use solekey::{Provider, providers::Preset};
    ///
    /// let mut auth0 = Preset::named("auth0")?;
    /// auth0.endpoint.token_url = "https://tenant.example/oauth/token".to_owned();
    /// auth0.endpoint.client_id = "gateway".to_owned();
    /// auth0.policy.max_wait = std::time::Duration::from_secs(2);
    /// let staff = Provider::from_preset("staff", &auth0)?;
    /// assert_eq!(staff.name(), "staff");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The name is not one an account could have, a number cannot work, or something that belongs to the user is missing: the
    /// error names the field and what was expected.
    #[cfg(feature = "providers")]
    pub fn from_preset(name: &str, preset: &Preset) -> Result<Self, InputError> {
        Self::new(name, preset.policy.build()?, Arc::new(preset.build_endpoint()?))
    }

    /// Takes a 401 with a JSON body and no `WWW-Authenticate` header for evidence against the token. Off by default:
    /// for providers whose APIs leave the header out.
    pub fn bare_401_is_evidence(mut self, yes: bool) -> Self {
        self.bare_401 = yes;
        self
    }

    /// Sets how fast, and how many at once, all replicas together start background refreshes. `None`: not at all.
    /// Default: [`Limits::DEFAULT`]. Refreshes that a request waits for are never delayed; they count, so that the others yield.
    pub fn background(mut self, limits: Option<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The policy by which its accounts are refreshed.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn endpoint(&self) -> &dyn TokenEndpoint {
        &*self.endpoint
    }

    /// The limits of background refreshes; `None`: there are none.
    pub fn limits(&self) -> Option<Limits> {
        self.limits
    }

    pub(crate) fn takes_bare_401(&self) -> bool {
        self.bare_401
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .field("client", &self.endpoint.client())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "providers"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_core::Replay;

    use super::*;

    #[test]
    fn a_preset_brings_its_policy_its_client_and_the_usual_limits() {
        let codex = Provider::preset("codex").unwrap();
        let known = Preset::named("codex").unwrap();
        assert_eq!((codex.name(), codex.limits()), ("codex", Some(Limits::DEFAULT)));
        assert_eq!(*codex.policy(), known.policy.build().unwrap());
        assert_ne!(*codex.policy(), solekey_core::PolicySettings::default().build().unwrap());
        assert_eq!(codex.endpoint().client(), known.build_endpoint().unwrap().client());
    }

    #[test]
    fn what_a_preset_leaves_to_its_user_is_named() {
        for (preset, field) in [
            ("codecs", "preset"),
            ("gemini", "client_secret"),
            ("google", "client_id"),
            ("auth0", "token_url"),
            ("atproto", "client_id"),
        ] {
            assert_eq!(Provider::preset(preset).unwrap_err().field(), field, "{preset}");
        }
    }

    #[test]
    fn every_part_of_a_preset_can_be_replaced() {
        let mut gemini = Preset::named("gemini").unwrap();
        gemini.endpoint.client_id = "own".to_owned();
        gemini.endpoint.client_auth = solekey_providers::ClientAuth::Post(solekey_core::secret("s"));
        gemini.policy.replay = Replay::STRICT;
        let own = Provider::from_preset("mine", &gemini).unwrap();
        assert_eq!((own.name(), own.policy().replay()), ("mine", Replay::STRICT));
        assert!(own.endpoint().client().ends_with(" own"), "{}", own.endpoint().client());
    }
}
