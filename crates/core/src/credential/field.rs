//! Writing a field into the object that holds the tokens.

use secrecy::zeroize::Zeroizing;

use crate::{
    Document, MAX_DEPTH,
    document::{Limits, is_blank},
    mutant,
};

/// Sets a field. Tokens always fit. Anything else has to leave the document modest: answers with ever new fields would
/// make a credential that no store takes, or that does not open again.
pub(crate) fn put(tokens: &mut Document, name: &str, json: &str, is_token: bool) {
    let filled = tokens.raw(name).and_then(|old| filled(old, json, 0));
    let json = filled.as_ref().map_or(json, |filled| filled.as_str());
    let small = tokens.render().len() + name.len() + json.len() <= MAX_MERGED_BYTES;
    let fits = small && (tokens.raw(name).is_some() || tokens.names().count() < MAX_MERGED_FIELDS);
    if fits || is_token {
        tokens.set(name, json);
    }
}

/// An object whose empty fields are filled from the one before; `None` where no field is empty that was not before.
fn filled(old: &str, new: &str, depth: usize) -> Option<Zeroizing<String>> {
    let object = |raw: &str| Document::parse_within(raw.as_bytes(), Limits::STORED).ok();
    if depth == MAX_DEPTH || mutant("empty_fields_overwrite") {
        return None;
    }
    let (old, mut new) = (object(old)?, object(new)?);
    let mut has_changed = false;
    for (name, before) in old.entries().filter(|(_, before)| !is_blank(before)) {
        let Some(after) = new.raw(name) else { continue };
        let kept = if is_blank(after) {
            Some(Zeroizing::new(before.to_owned()))
        } else {
            filled(before, after, depth + 1)
        };
        if let Some(kept) = kept {
            new.set(name, &kept);
            has_changed = true;
        }
    }
    has_changed.then(|| Zeroizing::new(new.render().to_owned()))
}

pub(crate) const MAX_MERGED_BYTES: usize = 256 * 1024;
/// Real answers bring a dozen fields.
const MAX_MERGED_FIELDS: usize = 512;
