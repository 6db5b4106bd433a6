//! The merge of a credential with the answer of a token endpoint.

use std::time::SystemTime;

use crate::{
    Credential, Document, ExposeSecret, Shape, TokenAnswer,
    credential::{ACCESS, ID, REFRESH, Room, is_routing, put, rename_copies, set_scope},
    document::is_blank,
    import::{
        ends,
        names::{REFRESH_ENDS, is_end},
    },
    mutant,
};

/// Makes the new credential of the old one and an answer, by the rules of RFC 6749, section 6.
///
/// Fields that the answer does not mention stay: refresh token, scope, unknown fields, their order and their bytes.
/// Those that it mentions as empty or `null` stay too, however deep, and so do those that decide where and by which client
/// the refresh token is presented: they are the login's. The shape is kept, and so are unit and type of every expiry; an
/// expiry that is no longer known becomes `null`.
pub fn merge(old: &Credential, answer: &TokenAnswer, wall_now: SystemTime) -> Credential {
    let mut new = old.clone();
    let (shape, names, before) = (old.shape(), old.names(), old.access_token());
    new.edit_tokens(|tokens| {
        for (name, json) in answer.document().entries() {
            let blank = is_blank(json) && !mutant("empty_fields_overwrite");
            if let Some(name) = place(shape, name, answer, tokens).filter(|_| !blank) {
                let is_token = [names.access, names.refresh, ID].contains(&name);
                let was_list = tokens.raw(name).is_some_and(|raw| raw.starts_with('['));
                if name == SCOPE
                    && was_list
                    && let Ok(Some(scope)) = answer.document().string(name)
                {
                    set_scope(tokens, name, scope.expose_secret());
                } else {
                    put(tokens, name, json, is_token);
                }
            }
        }
        rename_copies(tokens, names, before);
        take_scope(tokens, shape, answer);
        if mutant("refresh_token_is_not_kept") && answer.refresh_token.is_none() {
            tokens.set(names.refresh, "null");
        }
        restate_ends(tokens, shape, answer, wall_now);
    });
    new.replace_copies(old);
    new.note_refresh(wall_now);
    new
}

/// The name of a field of the answer in a document of this shape; `None` where it does not belong there.
fn place<'a>(shape: Shape, name: &'a str, answer: &TokenAnswer, tokens: &Document) -> Option<&'a str> {
    let names = shape.names();
    match name {
        ACCESS => answer.access_token.as_ref().map(|_| names.access),
        REFRESH => answer.refresh_token.as_ref().map(|_| names.refresh),
        _ if is_end(name) || is_routing(name) || names.writes_token(name) => None,
        _ => match names.room {
            Room::All => Some(name),
            Room::IdToken => (name == ID).then_some(name),
            // A scope of another name is taken over by itself.
            Room::Present => tokens.raw(name).map(|_| name).filter(|name| *name != names.scope),
            Room::Nothing => None,
        },
    }
}

/// Takes the scope over in shapes that have it in no plain field of the answer's name.
fn take_scope(tokens: &mut Document, shape: Shape, answer: &TokenAnswer) {
    let names = shape.names();
    let has_room = match names.room {
        Room::All | Room::IdToken => false,
        Room::Present => tokens.raw(names.scope).is_some(),
        Room::Nothing => true,
    };
    if has_room && let Ok(Some(scope)) = answer.document().string(SCOPE) {
        set_scope(tokens, names.scope, scope.expose_secret());
    }
}

fn restate_ends(tokens: &mut Document, shape: Shape, answer: &TokenAnswer, wall_now: SystemTime) {
    let end = answer.lifetime(wall_now).and_then(|left| wall_now.checked_add(left));
    ends::restate(tokens, shape, end, wall_now);
    let refresh_end = answer.refresh_expires_in.and_then(|left| wall_now.checked_add(left));
    if refresh_end.is_some() || answer.refresh_token.is_some() {
        ends::restate_end(tokens, REFRESH_ENDS, shape, refresh_end, wall_now);
    }
}

const SCOPE: &str = "scope";

#[cfg(test)]
mod laws;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;
