//! Words in a line: of prose, of identifiers, of anything.

/// The words of a line, in small letters: `HeldLease`, `held_lease` and "held lease" are the same two.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let letters: Vec<_> = line.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        if !letter.is_alphabetic() || (letter.is_uppercase() && begins(before, letters.get(at + 1).copied()))
        {
            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        }
        if letter.is_alphabetic() {
            word.extend(letter.to_lowercase());
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// Returns whether a capital begins a word: after a small letter, and as the last of several (`HTTPServer`).
fn begins(before: Option<char>, after: Option<char>) -> bool {
    before.is_some_and(char::is_lowercase) || after.is_some_and(char::is_lowercase)
}

/// The types that a line of Rust declares.
pub(crate) fn types(line: &str) -> impl Iterator<Item = &str> {
    let mut words =
        line.split(|sign: char| !sign.is_alphanumeric() && sign != '_').filter(|word| !word.is_empty());
    let mut before = words.next();
    words.filter(move |word| {
        let kind = before.replace(word);
        kind.is_some_and(|kind| ["struct", "enum", "trait", "type", "union"].contains(&kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_prose_have_the_same_words() {
        for line in ["HeldLease", "held_lease", "HELD_LEASE", "a held-lease, held 2lease", "heldLease"] {
            let words = words(line);
            assert!(words.ends_with(&["held".to_owned(), "lease".to_owned()]), "{line}: {words:?}");
        }
        assert_eq!(words("HTTPServer RESP3 doesn't"), ["http", "server", "resp", "doesn", "t"]);
        assert!(words("12 + 3").is_empty());
    }

    #[test]
    fn declared_types_are_found() {
        assert_eq!(types("pub(crate) struct One<T>(T); // enum Two").collect::<Vec<_>>(), ["One", "Two"]);
        assert_eq!(types("fn one(one: One)").count(), 0);
    }
}
