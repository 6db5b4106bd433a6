//! A credential as somebody hands it in: a file of a command line tool, or flat.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use solekey_core::{Credential, ExposeSecret as _, Import, InputError, Secret};

/// Whatever comes in is refused without quoting it, or taken in whole.
pub(crate) fn check(bytes: &[u8]) {
    for wall_now in [UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(1_735_689_600)] {
        match Credential::import(bytes, wall_now) {
            Ok(import) => taken_in_whole(&import, wall_now),
            Err(error) => quotes_nothing(&error, bytes),
        }
    }
}

fn taken_in_whole(import: &Import, wall_now: SystemTime) {
    let Import { credential, expires_in, refresh_expires_in, .. } = import;
    let tokens = [credential.access_token(), credential.refresh_token()];
    assert!(tokens.iter().flatten().next().is_some(), "a credential without a token");
    for token in tokens.iter().flatten() {
        let token = token.expose_secret();
        assert!(token.bytes().all(|byte| matches!(byte, b' '..=b'~')), "a token that fits no header");
        assert!(token.len() < LONG || !format!("{import:?}").contains(token), "a token is printed");
    }
    for span in [expires_in, refresh_expires_in].into_iter().flatten() {
        assert!(wall_now.checked_add(*span).is_some(), "an end that no clock shows");
    }

    let stored = Credential::from_bytes(&credential.to_bytes()).expect("what was taken in opens again");
    assert_eq!(&stored, credential);
    assert_eq!(stored.document().render(), credential.document().render());

    let again =
        Credential::import(credential.document().render().as_bytes(), wall_now).expect("comes in twice");
    assert_eq!(&again.credential, credential);
    assert_eq!((again.expires_in, again.refresh_expires_in), (*expires_in, *refresh_expires_in));
    assert_eq!(exposed(again.credential.access_token()), exposed(credential.access_token()));
}

fn quotes_nothing(error: &InputError, bytes: &[u8]) {
    let message = format!("{error} {error:?}");
    assert!(message.len() < 3_000, "an error as long as a novel");
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let (mut names, mut values) = (Vec::new(), Vec::new());
    strings(&json, &mut names, &mut values);
    for value in values {
        // A field is shown by its name, which may be the value of another one.
        let is_name = names.iter().any(|name| name.contains(&value));
        assert!(value.len() < LONG || is_name || !message.contains(&value), "{value} is quoted");
    }
}

fn strings(json: &serde_json::Value, names: &mut Vec<String>, values: &mut Vec<String>) {
    match json {
        serde_json::Value::String(text) => values.push(text.clone()),
        serde_json::Value::Array(all) => all.iter().for_each(|one| strings(one, names, values)),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            names.push(name.clone());
            strings(value, names, values);
        }),
        _ => {}
    }
}

fn exposed(secret: Option<Secret>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

/// Shorter strings may stand in our own sentences.
const LONG: usize = 24;
