//! Authorization servers by the name they give themselves (RFC 8414).

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use solekey_core::{InputError, mutant};
use url::Url;

use crate::{body, bounded::Bounded, dpop::Nonces, settings::usable_url};

/// An issuer identifier: a URL that its server says letter for letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Reads one: https (http on loopback), nothing but host and path.
    pub(crate) fn parse(text: &str) -> Result<Self, InputError> {
        let url = usable_url(text).map_err(|expected| InputError::new("issuer", expected))?;
        if url.query().is_some() {
            return Err(InputError::new("issuer", "a URL without a query"));
        }
        Ok(Self { text: text.to_owned(), url })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The URL of its metadata: the well-known path goes between its host and its own path (RFC 8414, section 3.1).
    fn metadata_url(&self) -> Url {
        let mut url = self.url.clone();
        let path =
            format!("/.well-known/oauth-authorization-server{}", self.url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }
}

/// Token endpoints by issuer, as far as they were asked for.
pub(crate) struct Directory {
    known: Mutex<Bounded<Arc<Slot>>>,
}

/// The state of one issuer. A reader of the metadata holds it, so that of a crowd one sends a request.
type Slot = tokio::sync::Mutex<Option<Lookup>>;

struct Lookup {
    at: Instant,
    found: Result<Url, Unknown>,
}

/// The reason why an issuer's token endpoint is not known, for people.
type Unknown = Arc<str>;

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self { known: Mutex::new(Bounded::new(MOST_ISSUERS)) }
    }

    /// The token endpoint of this issuer, known or asked for.
    pub(crate) async fn token_endpoint(
        &self,
        http: &Client,
        issuer: &Issuer,
        nonces: &Nonces,
        within: Duration,
    ) -> Result<Url, Unknown> {
        let slot = self.slot(issuer);
        let lookup = async {
            let mut known = slot.lock().await;
            if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
                return known.found.clone();
            }
            let found = ask(http, issuer, nonces, within).await.map_err(Unknown::from);
            *known = Some(Lookup { at: Instant::now(), found: found.clone() });
            found
        };
        let in_time = tokio::time::timeout(within, lookup).await;
        in_time.unwrap_or_else(|_| Err("the issuer's metadata did not come in time".into()))
    }

    fn slot(&self, issuer: &Issuer) -> Arc<Slot> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = known.get(&issuer.text) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        known.put(&issuer.text, Arc::clone(&slot));
        slot
    }
}

impl Lookup {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < if self.found.is_ok() { MAX_AGE } else { MAX_AGE_OF_FAILURE }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

async fn ask(http: &Client, issuer: &Issuer, nonces: &Nonces, within: Duration) -> Result<Url, String> {
    let url = issuer.metadata_url();
    let asked = http.get(url.clone()).header("accept", "application/json").timeout(within).send().await;
    let mut answer = asked.map_err(|error| format!("the issuer's metadata: {}", body::causes(&error)))?;
    nonces.learn(&url, answer.headers());
    if answer.status() != StatusCode::OK {
        return Err(format!("the issuer's metadata: {}", answer.status()));
    }
    match body::read(&mut answer, MAX_METADATA_BYTES).await {
        Ok(Some(bytes)) => understand(&bytes, issuer),
        Ok(None) => Err(format!("the issuer's metadata exceeds {MAX_METADATA_BYTES} bytes")),
        Err(error) => Err(format!("the issuer's metadata: {}", body::causes(&error))),
    }
}

/// Metadata counts only if it says that it is this issuer's (RFC 8414, section 3.3): otherwise whoever answers for one
/// name could have the tokens of another one sent to itself.
fn understand(bytes: &[u8], issuer: &Issuer) -> Result<Url, String> {
    let metadata: Metadata = serde_json::from_slice(bytes)
        .map_err(|_| "the issuer's metadata names no issuer and token endpoint".to_owned())?;
    if metadata.issuer != issuer.text && !mutant("issuer_is_not_verified") {
        return Err("the issuer's metadata is that of another issuer".to_owned());
    }
    usable_url(&metadata.token_endpoint)
        .ok()
        // A server on the net does not send tokens to whatever listens on this machine.
        .filter(|url| url.scheme() == issuer.url.scheme())
        .ok_or_else(|| "the issuer's metadata has no token endpoint that could be used".to_owned())
}

/// As many as a large fleet's accounts live on; one beyond that is asked again.
const MOST_ISSUERS: usize = 4096;

/// A server that moves its token endpoint keeps the old one for longer than that.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// Long enough for a crowd, short enough that nobody waits for it.
const MAX_AGE_OF_FAILURE: Duration = Duration::from_secs(1);

/// Real ones have 4 KiB.
const MAX_METADATA_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn issuer(text: &str) -> Issuer {
        Issuer::parse(text).unwrap()
    }

    #[test]
    fn metadata_lies_between_the_host_and_the_path() {
        for (text, expected) in [
            ("https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
            ("https://a.example/", "https://a.example/.well-known/oauth-authorization-server"),
            ("https://a.example:444/t/1", "https://a.example:444/.well-known/oauth-authorization-server/t/1"),
        ] {
            assert_eq!(issuer(text).metadata_url().as_str(), expected);
        }
    }

    #[test]
    fn what_could_not_name_a_server_is_refused() {
        for text in [
            "",
            "a.example",
            "http://a.example",
            "https://u@a.example",
            "https://a.example/?x",
            "https://a.example/#x",
        ] {
            assert_eq!(Issuer::parse(text).unwrap_err().field(), "issuer", "{text}");
        }
        assert!(issuer("http://127.0.0.1:9").is_plain());
    }

    #[test]
    fn an_endpoint_is_known_for_an_hour_and_that_there_is_none_for_a_second() {
        let ago = |secs| Instant::now().checked_sub(Duration::from_secs(secs)).unwrap();
        let found = || Ok(Url::parse("https://a.example/token").unwrap());
        let missing = || Err(Unknown::from("404"));
        for (age, found, is_fresh) in [
            (0, found(), true),
            (59 * 60, found(), true),
            (61 * 60, found(), false),
            (0, missing(), true),
            (2, missing(), false),
        ] {
            let lookup = Lookup { at: ago(age), found };
            assert_eq!(lookup.is_fresh(), is_fresh, "{age} s, {:?}", lookup.found);
        }
    }

    #[test]
    fn metadata_has_to_name_its_issuer_and_an_endpoint_as_safe_as_the_issuer() {
        let document = |issuer: &str, endpoint: &str| {
            format!(r#"{{"issuer":"{issuer}","token_endpoint":"{endpoint}","more":[]}}"#)
        };
        let here = issuer("https://a.example");
        let understood = |text: String| understand(text.as_bytes(), &here).ok().map(String::from);
        let other_host = "https://tokens.example/t".to_owned();
        assert_eq!(understood(document("https://a.example", &other_host)), Some(other_host));
        for text in [
            document("https://b.example", "https://a.example/token"),
            // Letter for letter.
            document("https://a.example/", "https://a.example/token"),
            document("https://a.example", "http://127.0.0.1:9/token"),
            document("https://a.example", "/token"),
            r#"{"token_endpoint":"https://a.example/token"}"#.to_owned(),
            "<html>".to_owned(),
        ] {
            assert_eq!(understood(text.clone()), None, "{text}");
        }
    }
}
