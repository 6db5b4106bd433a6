//! Paths with `*`.

/// Returns whether a path matches the pattern; `*` is any text, of several folders, too.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, rest)) => path.strip_prefix(before).is_some_and(|path| {
            (0..=path.len()).filter(|at| path.is_char_boundary(*at)).any(|at| matches(rest, &path[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("docs/api/*", "docs/api/a/b.txt"));
        assert!(matches("*/Cargo.lock", "fuzz/Cargo.lock"));
        assert!(matches("crates/*/LICENSE*", "crates/core/LICENSE-MIT"));
        assert!(!matches("docs/*.md", "docs/a.txt"));
        assert!(!matches("a", "ab"));
    }
}
