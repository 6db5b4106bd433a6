//! The providers of one instance.

use std::{collections::HashMap, sync::Arc};

use solekey_core::InputError;

use crate::provider::Provider;

/// By name; fixed once built.
#[derive(Debug, Default)]
pub(crate) struct Providers(HashMap<Box<str>, Arc<Provider>>);

impl Providers {
    pub(crate) fn build(list: Vec<Provider>) -> Result<Self, InputError> {
        let mut providers = HashMap::with_capacity(list.len());
        for provider in list {
            let name: Box<str> = provider.name().into();
            if providers.insert(name, Arc::new(provider)).is_some() {
                return Err(InputError::new("provider.name", "each name once"));
            }
        }
        Ok(Self(providers))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.values()
    }
}
