//! The form of an exchange on the wire.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use solekey_core::{ExposeSecret, Secret};
use url::form_urlencoded;

use crate::{BodyFormat, ClientAuth, EndpointSettings, assertion::ASSERTION_TYPE};

/// The parameters of one exchange, in the order in which they are written.
fn params<'a>(
    settings: &'a EndpointSettings,
    refresh_token: &'a Secret,
    assertion: Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let mut params = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
    match &settings.client_auth {
        ClientAuth::None => params.push((&settings.client_id_name, &settings.client_id)),
        // The header names the client; saying it twice makes two methods of it, which section 2.3 forbids.
        ClientAuth::Basic(_) => {}
        ClientAuth::Post(secret) => {
            params.push((&settings.client_id_name, &settings.client_id));
            params.push(("client_secret", secret.expose_secret()));
        }
        ClientAuth::PrivateKeyJwt(_) => {
            params.push(("client_id", &settings.client_id));
            params.push(("client_assertion_type", ASSERTION_TYPE));
            params.extend(assertion.map(|assertion| ("client_assertion", assertion)));
        }
    }
    params.extend(settings.scope.as_deref().map(|scope| ("scope", scope)));
    params.extend(settings.params.iter().map(|(name, value)| (name.as_str(), value.expose_secret())));
    params
}

/// The body of one exchange. `assertion` is the client's, where it proves itself that way.
pub(crate) fn body(settings: &EndpointSettings, refresh_token: &Secret, assertion: Option<&str>) -> String {
    let params = params(settings, refresh_token, assertion);
    match settings.body {
        BodyFormat::Form => form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish(),
        BodyFormat::Json => {
            let object: Map<String, Value> =
                params.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            Value::Object(object).to_string()
        }
    }
}

/// The media type of the body.
pub(crate) fn content_type(format: BodyFormat) -> HeaderValue {
    HeaderValue::from_static(match format {
        BodyFormat::Form => "application/x-www-form-urlencoded",
        BodyFormat::Json => "application/json",
    })
}

/// The `Authorization` header, where the client proves itself that way. Id and secret are form-encoded first, as
/// section 2.3.1 has it, so that a colon in the id does not move the border between them.
pub(crate) fn authorization(settings: &EndpointSettings) -> Option<HeaderValue> {
    let ClientAuth::Basic(secret) = &settings.client_auth else { return None };
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(&settings.client_id), encode(secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_core::secret;

    use super::*;

    fn settings() -> EndpointSettings {
        EndpointSettings { client_id: "my app:1".to_owned(), ..EndpointSettings::default() }
    }

    #[test]
    fn a_public_client_names_itself_in_the_body() {
        let settings = EndpointSettings {
            scope: Some("a b".to_owned()),
            params: vec![("audience".to_owned(), secret("x&y"))],
            ..settings()
        };
        assert_eq!(
            body(&settings, &secret("r+t/="), None),
            "grant_type=refresh_token&refresh_token=r%2Bt%2F%3D&client_id=my+app%3A1&scope=a+b&audience=x%26y"
        );
        assert!(authorization(&settings).is_none());
    }

    #[test]
    fn json_says_the_same() {
        let settings = EndpointSettings { body: BodyFormat::Json, ..settings() };
        let sent: Value = serde_json::from_str(&body(&settings, &secret("r\"t"), None)).unwrap();
        let expected = serde_json::json!({
            "grant_type": "refresh_token", "refresh_token": "r\"t", "client_id": "my app:1",
        });
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_secret_goes_into_the_header_or_the_body_and_never_both() {
        let basic = EndpointSettings { client_auth: ClientAuth::Basic(secret("p@ss wörd+:")), ..settings() };
        let header = authorization(&basic).unwrap();
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"my+app%3A1:p%40ss+w%C3%B6rd%2B%3A");
        assert_eq!(body(&basic, &secret("r"), None), "grant_type=refresh_token&refresh_token=r");
        assert_eq!(format!("{header:?}"), "Sensitive");

        let post = EndpointSettings { client_auth: ClientAuth::Post(secret("s")), ..settings() };
        assert!(body(&post, &secret("r"), None).ends_with("&client_id=my+app%3A1&client_secret=s"));
        assert!(authorization(&post).is_none());
    }
}
