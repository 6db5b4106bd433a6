//! The names of images.

use std::env;

use testcontainers::{ContainerRequest, Image, ImageExt as _};

/// The label of every container of a test run: `scripts/containers` removes the containers of a killed run by it.
pub(crate) const LABEL: &str = "io.solekey.test";

/// Returns the image that a variable names, instead of the module's own, labelled with the owner of its container.
pub(crate) fn named<I: Image>(image: I, variable: &str, owner: &str) -> ContainerRequest<I> {
    let request = image.with_label(LABEL, owner);
    let Ok(name) = env::var(variable) else { return request };
    // A colon before the last slash belongs to a port.
    match name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => request.with_name(name).with_tag(tag),
        None => request.with_name(name).with_tag("latest"),
    }
}
