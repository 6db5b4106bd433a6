//! A person who lets the gateway have access: logs in, consents, and the gateway redeems the code.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{Client, StatusCode, Url, header};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::site::{CLIENT_ID, CLIENT_SECRET, PASSWORD, REDIRECT_URI, Site, USER};

/// The response of the token endpoint to a code.
pub(super) struct Granted {
    /// Its answer as it came, which is what a newcomer imports.
    pub(super) document: String,
    /// The SHA-256 of the refresh token in it, as the referee writes it.
    pub(super) refresh_token: String,
}

#[derive(Deserialize)]
struct Answer {
    refresh_token: String,
    expires_in: u64,
}

/// The authorization code flow with PKCE, at the site's own forms.
pub(super) async fn grant(site: &Site) -> Granted {
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let query = [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "read"),
        ("state", STATE),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let url = Url::parse_with_params(&site.url("/o/authorize/"), query).unwrap();
    let mut browser = Browser { client: site.client.clone(), cookies: BTreeMap::new() };
    let login = browser.open(url).await;
    assert_eq!(login.url.path(), "/login/");
    let consent = browser.submit(&login, &[("username", USER), ("password", PASSWORD)]).await;
    assert_eq!(consent.url.path(), "/o/authorize/", "{}", consent.body);
    let redirected = browser.submit(&consent, &[("allow", "Authorize")]).await.url;
    assert!(redirected.as_str().starts_with(REDIRECT_URI), "{redirected}");
    let parameters: BTreeMap<_, _> = redirected.query_pairs().into_owned().collect();
    assert_eq!(parameters.get("state").map(String::as_str), Some(STATE), "{redirected}");
    redeem(site, &parameters["code"]).await
}

async fn redeem(site: &Site, code: &str) -> Granted {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let request =
        site.client.post(site.url("/o/token/")).basic_auth(CLIENT_ID, Some(CLIENT_SECRET)).form(&form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let document = answer.text().await.unwrap();
    let Answer { refresh_token, expires_in } = serde_json::from_str(&document).unwrap();
    assert_eq!(expires_in, 6);
    Granted { document, refresh_token: format!("{:x}", Sha256::digest(refresh_token)) }
}

struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

struct Page {
    url: Url,
    body: String,
}

impl Browser {
    /// Follows redirects for as long as they stay at the site.
    async fn open(&mut self, url: Url) -> Page {
        let request = self.client.get(url.clone());
        self.load(url, request).await
    }

    /// Fills in the page's form, whose hidden fields go along.
    async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let mut form = hidden_fields(&page.body);
        form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let request = self.client.post(page.url.clone()).form(&form);
        self.load(page.url.clone(), request).await
    }

    async fn load(&mut self, mut url: Url, mut request: reqwest::RequestBuilder) -> Page {
        for _ in 0..REDIRECTS {
            let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            let cookies = cookies.collect::<Vec<_>>().join("; ");
            let answer = request.header(header::COOKIE, cookies).send().await.unwrap();
            for cookie in answer.headers().get_all(header::SET_COOKIE) {
                let pair = cookie.to_str().unwrap().split(';').next().and_then(|pair| pair.split_once('='));
                let (name, value) = pair.unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            let Some(location) = answer.headers().get(header::LOCATION) else {
                assert_eq!(answer.status(), StatusCode::OK, "{url}");
                return Page { url, body: answer.text().await.unwrap() };
            };
            let next = url.join(location.to_str().unwrap()).unwrap();
            if next.origin() != url.origin() {
                return Page { url: next, body: String::new() };
            }
            request = self.client.get(next.clone());
            url = next;
        }
        panic!("more than {REDIRECTS} redirects, the last to {url}");
    }
}

/// As Django writes them.
fn hidden_fields(html: &str) -> BTreeMap<String, String> {
    let tags = html.split("<input ").skip(1).filter_map(|rest| rest.split('>').next());
    let hidden = tags.filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
    hidden
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
        .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&quot;", "\"").replace("&#x27;", "'").replace("&lt;", "<").replace("&amp;", "&"))
}

/// From authorization to login to authorization to the client.
const REDIRECTS: usize = 5;
const STATE: &str = "where Alice was";
/// A real one is random.
const VERIFIER: &str = "a-code-verifier-of-between-43-and-128-characters-in-length";
