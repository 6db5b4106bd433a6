//! Query parameters.

use http::Uri;
use url::form_urlencoded;

use super::failure::Failure;

/// The parameters of a request, each known and given once.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Failure> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                return Err(Failure::invalid(shown(&name), expected(known)));
            }
            if pairs.iter().any(|(seen, _)| *seen == name) {
                return Err(Failure::invalid(name, "to be given once"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// Refuses every parameter.
    pub(super) fn none(uri: &Uri) -> Result<(), Failure> {
        Self::of(uri, &[]).map(|_| ())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Failure::invalid(name, "true or false")),
        }
    }
}

fn expected(known: &[&str]) -> String {
    if known.is_empty() { "no query here".to_owned() } else { format!("one of {}", known.join(", ")) }
}

/// A name from outside, short enough for an error.
fn shown(name: &str) -> &str {
    if !name.is_empty() && name.len() <= 64 { name } else { "query" }
}
