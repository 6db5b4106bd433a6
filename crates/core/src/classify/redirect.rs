//! The place that a redirect names.

use http::{HeaderMap, Uri, header::LOCATION};

/// The origin that a redirect leads to: never more of it, because the rest may hold what is somebody's.
pub(super) fn destination(headers: &HeaderMap) -> String {
    let Some(location) = headers.get(LOCATION) else { return "nowhere".to_owned() };
    let origin = location.to_str().ok().and_then(origin);
    origin.unwrap_or_else(|| "another path".to_owned())
}

fn origin(location: &str) -> Option<String> {
    let whole = if location.starts_with("//") { format!("https:{location}") } else { location.to_owned() };
    let uri: Uri = whole.parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?, uri.host().filter(|host| host.len() <= MAX_HOST)?);
    let port = uri.port_u16().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{scheme}://{host}{port}"))
}

/// No name of a host is longer.
const MAX_HOST: usize = 253;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_a_redirect_only_the_origin_is_named() {
        for (location, expected) in [
            ("https://login.example/token?code=s3cret", "https://login.example"),
            ("https://user:s3cret@login.example:8443/", "https://login.example:8443"),
            ("http://login.example", "http://login.example"),
            ("//login.example/s3cret", "https://login.example"),
            ("/s3cret", "another path"),
            ("s3cret", "another path"),
        ] {
            let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
            assert_eq!(destination(&headers), expected, "{location}");
        }
        assert_eq!(destination(&HeaderMap::new()), "nowhere");
    }
}
