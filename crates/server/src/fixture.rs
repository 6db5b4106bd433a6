//! An instance over ports in memory, for the tests of this crate.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use solekey::{Provider, Solekey};
use solekey_providers::Preset;
use solekey_testkit::memory::{MemoryAnswers, MemoryStore};

use crate::{
    api::{Api, HttpApi},
    hosts::Hosts,
    metrics::Metrics,
    mirror::Troubles,
};

pub(crate) struct InMemory {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) answers: Arc<MemoryAnswers>,
    pub(crate) http: HttpApi,
}

impl InMemory {
    /// With the provider `acme`, whose token endpoint is nowhere.
    pub(crate) async fn new() -> Self {
        let (store, answers) = (Arc::new(MemoryStore::new()), Arc::new(MemoryAnswers::new()));
        let preset = Preset::named("oauth2").unwrap();
        let mut endpoint = preset.endpoint;
        "https://auth.example/token".clone_into(&mut endpoint.token_url);
        "gateway".clone_into(&mut endpoint.client_id);
        let endpoint = Arc::new(endpoint.build().unwrap());
        let solekey = Solekey::builder()
            .provider(Provider::new("acme", preset.policy.build().unwrap(), endpoint).unwrap())
            .store(Arc::clone(&store) as _)
            .answers(Arc::clone(&answers) as _)
            .build()
            .await
            .unwrap();
        let providers = vec!["acme".to_owned()];
        let metrics = Arc::new(Metrics::of(&providers));
        let api =
            Arc::new(Api { solekey, metrics, providers, warnings: Vec::new(), files: Troubles::default() });
        Self { store, answers, http: HttpApi::new(api, Hosts::default()) }
    }
}
