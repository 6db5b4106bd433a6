//! What becomes of a credential when a token endpoint has answered.

use std::time::SystemTime;

use crate::{
    Credential, Document, Shape, TokenAnswer,
    credential::{ACCESS, REFRESH},
    import::expiry::{self, ENDS_AT, LASTS, REFRESH_ENDS_AT, rfc3339},
    mutant,
};

/// Makes the new credential of the old one and an answer, by the rules of RFC 6749, section 6.
///
/// What the answer does not mention stays: refresh token, scope, unknown fields, their order and their bytes. What it
/// mentions as empty or `null` stays too. The shape is kept, and so are unit and type of every expiry; an expiry that
/// is no longer known becomes `null`.
pub fn merge(old: &Credential, answer: &TokenAnswer, wall_now: SystemTime) -> Credential {
    let mut new = old.clone();
    let shape = old.shape();
    new.edit_tokens(|tokens| {
        for (name, json) in answer.document().entries() {
            let blank = is_blank(json) && !mutant("empty_fields_overwrite");
            if takes(shape, name, answer) && !blank {
                put(tokens, name, json);
            }
        }
        if mutant("refresh_token_is_not_kept") && answer.refresh_token.is_none() {
            tokens.set(REFRESH, "null");
        }
        restate_ends(tokens, shape, answer, wall_now);
    });
    if shape == Shape::CodexAuth {
        new.edit_around(|document| document.set_string("last_refresh", &rfc3339(wall_now)));
    }
    new
}

/// Whether a field of the answer belongs into a document of this shape.
fn takes(shape: Shape, name: &str, answer: &TokenAnswer) -> bool {
    match name {
        ACCESS => answer.access_token.is_some(),
        REFRESH => answer.refresh_token.is_some(),
        _ if ENDS_AT.contains(&name) || LASTS.contains(&name) => false,
        _ => match shape {
            Shape::Flat => true,
            Shape::CodexAuth => name == ID,
        },
    }
}

/// Tokens always fit. Anything else has to leave the document modest: answers with ever new fields would make a
/// credential that no store takes, or that does not open again.
fn put(tokens: &mut Document, name: &str, json: &str) {
    let small = tokens.render().len() + name.len() + json.len() <= MAX_MERGED_BYTES;
    let fits = small && (tokens.raw(name).is_some() || tokens.names().count() < MAX_MERGED_FIELDS);
    if fits || [ACCESS, REFRESH, ID].contains(&name) {
        tokens.set(name, json);
    }
}

fn restate_ends(tokens: &mut Document, shape: Shape, answer: &TokenAnswer, wall_now: SystemTime) {
    let lifetime = answer.lifetime(wall_now);
    let end = lifetime.and_then(|left| wall_now.checked_add(left));
    let had_end = expiry::restate_end(tokens, &ENDS_AT, end);
    let had_span = expiry::restate_span(tokens, &LASTS, lifetime);
    if shape == Shape::Flat && !had_end && !had_span && end.is_some() {
        tokens.set(ENDS_AT[0], "null");
        expiry::restate_end(tokens, &ENDS_AT[..1], end);
    }
    let refresh_end = answer.refresh_expires_in.and_then(|left| wall_now.checked_add(left));
    if refresh_end.is_some() || answer.refresh_token.is_some() {
        expiry::restate_end(tokens, &REFRESH_ENDS_AT, refresh_end);
    }
}

/// `null`, strings of nothing but blanks, and what was skipped over when it was read and means nothing: a lone
/// surrogate, a number beyond all bounds.
fn is_blank(json: &str) -> bool {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::Null) | Err(_) => true,
        Ok(serde_json::Value::String(text)) => text.trim().is_empty(),
        Ok(_) => false,
    }
}

const ID: &str = "id_token";
const MAX_MERGED_BYTES: usize = 256 * 1024;
/// Real answers bring a dozen fields.
const MAX_MERGED_FIELDS: usize = 512;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
