//! Nobody asks a provider here.

#[derive(Debug)]
pub(crate) struct Provider;
