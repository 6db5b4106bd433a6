//! A provider as the coordinator sees it.

use std::{fmt, sync::Arc};

use solekey_core::{InputError, Limits, Policy, ports::TokenEndpoint};

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

    /// Takes a 401 with a JSON body and no `WWW-Authenticate` header for evidence against the token. Off by default:
    /// for providers whose APIs leave the header out.
    pub fn bare_401_is_evidence(mut self, yes: bool) -> Self {
        self.bare_401 = yes;
        self
    }

    /// How fast, and how many at once, all replicas together start refreshes that nobody waits for. `None`: not at all.
    /// Default: [`Limits::DEFAULT`]. Those that a request waits for are never held up; they count, so that the others yield.
    pub fn background(mut self, limits: Option<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its accounts are refreshed.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn endpoint(&self) -> &dyn TokenEndpoint {
        &*self.endpoint
    }

    /// How refreshes that nobody waits for are started; `None`: not at all.
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
