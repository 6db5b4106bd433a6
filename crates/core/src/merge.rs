//! What becomes of a credential when a token endpoint has answered.

use std::time::SystemTime;

use secrecy::zeroize::Zeroizing;

use crate::{
    Credential, Document, ExposeSecret, MAX_DEPTH, Shape, TokenAnswer,
    credential::{ACCESS, ID, REFRESH, set_scope},
    document::{Limits, is_blank},
    import::expiry,
    mutant,
};

/// Makes the new credential of the old one and an answer, by the rules of RFC 6749, section 6.
///
/// What the answer does not mention stays: refresh token, scope, unknown fields, their order and their bytes. What it
/// mentions as empty or `null` stays too, however deep. The shape is kept, and so are unit and type of every expiry; an
/// expiry that is no longer known becomes `null`.
pub fn merge(old: &Credential, answer: &TokenAnswer, wall_now: SystemTime) -> Credential {
    let mut new = old.clone();
    let (shape, names) = (old.shape(), old.names());
    new.edit_tokens(|tokens| {
        for (name, json) in answer.document().entries() {
            let blank = is_blank(json) && !mutant("empty_fields_overwrite");
            if let Some(name) = place(shape, name, answer).filter(|_| !blank) {
                let is_token = [names.access, names.refresh, ID].contains(&name);
                put(tokens, name, json, is_token);
            }
        }
        take_scope(tokens, shape, answer);
        if mutant("refresh_token_is_not_kept") && answer.refresh_token.is_none() {
            tokens.set(names.refresh, "null");
        }
        restate_ends(tokens, shape, answer, wall_now);
    });
    new.note_refresh(wall_now);
    new
}

/// What a field of the answer is called in a document of this shape; `None` where it does not belong there.
fn place<'a>(shape: Shape, name: &'a str, answer: &TokenAnswer) -> Option<&'a str> {
    let names = shape.names();
    match name {
        ACCESS => answer.access_token.as_ref().map(|_| names.access),
        REFRESH => answer.refresh_token.as_ref().map(|_| names.refresh),
        _ => match shape {
            Shape::Flat => (!names.is_end(name)).then_some(name),
            Shape::CodexAuth => (name == ID).then_some(name),
            Shape::ClaudeCode => None,
        },
    }
}

/// Where scopes are no plain field of the answer's name.
fn take_scope(tokens: &mut Document, shape: Shape, answer: &TokenAnswer) {
    if shape == Shape::ClaudeCode
        && let Ok(Some(scope)) = answer.document().string("scope")
    {
        set_scope(tokens, shape.names(), scope.expose_secret());
    }
}

/// Tokens always fit. Anything else has to leave the document modest: answers with ever new fields would make a
/// credential that no store takes, or that does not open again.
pub(crate) fn put(tokens: &mut Document, name: &str, json: &str, is_token: bool) {
    let filled = tokens.raw(name).and_then(|old| filled(old, json, 0));
    let json = filled.as_ref().map_or(json, |filled| filled.as_str());
    let small = tokens.render().len() + name.len() + json.len() <= MAX_MERGED_BYTES;
    let fits = small && (tokens.raw(name).is_some() || tokens.names().count() < MAX_MERGED_FIELDS);
    if fits || is_token {
        tokens.set(name, json);
    }
}

/// An object with what it leaves empty taken from the one before; `None` where it leaves nothing empty that was there.
fn filled(old: &str, new: &str, depth: usize) -> Option<Zeroizing<String>> {
    let object = |raw: &str| Document::parse_within(raw.as_bytes(), Limits::STORED).ok();
    if depth == MAX_DEPTH || mutant("empty_fields_overwrite") {
        return None;
    }
    let (old, mut new) = (object(old)?, object(new)?);
    let mut has_changed = false;
    for (name, before) in old.entries().filter(|(_, before)| !is_blank(before)) {
        let Some(said) = new.raw(name) else { continue };
        let kept = if is_blank(said) {
            Some(Zeroizing::new(before.to_owned()))
        } else {
            filled(before, said, depth + 1)
        };
        if let Some(kept) = kept {
            new.set(name, &kept);
            has_changed = true;
        }
    }
    has_changed.then(|| Zeroizing::new(new.render().to_owned()))
}

fn restate_ends(tokens: &mut Document, shape: Shape, answer: &TokenAnswer, wall_now: SystemTime) {
    let end = answer.lifetime(wall_now).and_then(|left| wall_now.checked_add(left));
    expiry::restate(tokens, shape, end, wall_now);
    let refresh_end = answer.refresh_expires_in.and_then(|left| wall_now.checked_add(left));
    if refresh_end.is_some() || answer.refresh_token.is_some() {
        expiry::restate_end(tokens, shape.names().refresh_ends_at, refresh_end);
    }
}

const MAX_MERGED_BYTES: usize = 256 * 1024;
/// Real answers bring a dozen fields.
const MAX_MERGED_FIELDS: usize = 512;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;
