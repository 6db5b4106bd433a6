//! A module as its text declares it: what it defines, what it imports, which paths it goes.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// Segments of a path; `$crate` counts as `crate`.
pub(crate) type Path = Vec<String>;

/// A module, inline ones within it. Comments, strings and what is compiled for tests alone are left out.
#[derive(Default)]
pub(crate) struct Source {
    /// Types, functions, constants and macros that it defines.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths of two segments or more in its code.
    pub(crate) paths: BTreeSet<Path>,
    pub(crate) inline: Vec<(String, Source)>,
    /// Modules in files of their own.
    pub(crate) files: Vec<File>,
}

/// `use path as name;`, and where `name` is none, `use path::*;`.
pub(crate) struct Import {
    pub(crate) path: Path,
    pub(crate) name: Option<String>,
}

/// `mod name;`
pub(crate) struct File {
    pub(crate) name: String,
    /// The value of `#[path = "..."]`.
    pub(crate) path: Option<String>,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{error}"))?;
        Ok(Self::of(tokens))
    }

    fn of(tokens: TokenStream) -> Self {
        let (mut source, tokens): (_, Vec<_>) = (Self::default(), tokens.into_iter().collect());
        let mut at = 0;
        while at < tokens.len() {
            let (attributes, item) = attributes(&tokens[at..]);
            let begin = at + item;
            if attributes.inner && attributes.test {
                return Self::default();
            }
            let length = item_length(&tokens[begin..]);
            if !attributes.test {
                source.item(&tokens[begin..begin + length], attributes.path);
            }
            at = begin + length.max(usize::from(item == 0));
        }
        source
    }

    /// Takes in one item, without its attributes.
    fn item(&mut self, tokens: &[TokenTree], path: Option<String>) {
        let tokens = without_visibility(tokens);
        let word = |at: usize| tokens.get(at).and_then(name);
        match (word(0).as_deref(), word(1)) {
            (Some("use"), _) => self.imports(&tokens[1..]),
            (Some("mod"), Some(name)) => match tokens.get(2) {
                Some(TokenTree::Group(body)) => self.inline.push((name, Self::of(body.stream()))),
                _ => self.files.push(File { name, path }),
            },
            _ => {
                self.items.extend(defined(tokens));
                self.code(tokens);
            }
        }
    }

    /// `a::{b, c as d, e::*, self};`
    fn imports(&mut self, tokens: &[TokenTree]) {
        self.imports.extend(tree(tokens, &[]).into_iter().map(|(path, name)| Import { path, name }));
    }

    /// Code: what is in groups, too.
    fn code(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.code(&group.stream().into_iter().collect::<Vec<_>>()),
                TokenTree::Ident(word) if *word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                    let end = tokens[at..].iter().position(|token| is_punct(Some(token), ';'));
                    let end = at + end.unwrap_or(tokens.len() - at);
                    self.imports(&tokens[at + 1..end]);
                    at = end;
                }
                TokenTree::Ident(word) if *word == "pub" => at += visibility_length(&tokens[at..]) - 1,
                TokenTree::Punct(sign) if sign.as_char() == '#' => at += skipped(&tokens[at..]),
                TokenTree::Ident(_) => {
                    let (path, length) = path(&tokens[at..]);
                    let goes_on = at >= 2 && is_joint(&tokens[at - 2]) && is_punct(tokens.get(at - 1), ':');
                    if !goes_on && path.len() > 1 {
                        self.paths.insert(path);
                    }
                    at += length - 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }
}

#[derive(Default)]
struct Attributes {
    test: bool,
    /// `#![...]`
    inner: bool,
    path: Option<String>,
}

/// The attributes that tokens begin with, and their length.
fn attributes(tokens: &[TokenTree]) -> (Attributes, usize) {
    let (mut found, mut at) = (Attributes::default(), 0);
    while is_punct(tokens.get(at), '#') {
        let inner = is_punct(tokens.get(at + 1), '!');
        let Some(TokenTree::Group(group)) = tokens.get(at + 1 + usize::from(inner)) else { break };
        let words: Vec<_> = group.stream().into_iter().collect();
        let first = words.first().and_then(name);
        found.inner |= inner;
        found.test |= first.as_deref() == Some("cfg") && words.get(1).is_some_and(is_for_tests);
        if first.as_deref() == Some("path") {
            found.path = words.get(2).map(|text| text.to_string().trim_matches('"').to_owned());
        }
        at += 2 + usize::from(inner);
    }
    (found, at)
}

/// Returns whether `(test)` or `(all(test, ...))` is all that a `cfg` holds for.
fn is_for_tests(condition: &TokenTree) -> bool {
    let TokenTree::Group(group) = condition else { return false };
    let words: Vec<_> = group.stream().into_iter().collect();
    let within = |at: usize| words.get(at + 1).is_some_and(is_for_tests);
    words.iter().enumerate().any(|(at, word)| match name(word).as_deref() {
        Some("test") => true,
        Some("all") => within(at),
        _ => false,
    })
}

/// Returns the number of tokens after the first one that are no code: attributes, and what they keep for tests.
fn skipped(tokens: &[TokenTree]) -> usize {
    let (attributes, length) = attributes(tokens);
    let rest = &tokens[length..];
    let kept = match rest {
        _ if !attributes.test => 0,
        rest if without_visibility(rest).iter().map_while(name).any(|word| word == "fn") => item_length(rest),
        // A field, an arm, a statement.
        rest => {
            let ends = |token: &TokenTree| [',', ';'].iter().any(|sign| is_punct(Some(token), *sign));
            rest.iter().position(ends).map_or(rest.len(), |end| end + 1)
        }
    };
    (length + kept).saturating_sub(1)
}

/// Returns the length of an item: to its `;`, or to its body in braces where it has one.
fn item_length(tokens: &[TokenTree]) -> usize {
    let kinds = ["use", "static", "type", "const"];
    let mut ends_with_semicolon = false;
    for word in without_visibility(tokens).iter().map_while(name) {
        ends_with_semicolon |= kinds.contains(&&*word);
        if ["fn", "unsafe", "async", "extern"].contains(&&*word) {
            ends_with_semicolon = false;
            break;
        }
    }
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !ends_with_semicolon,
        token => is_punct(Some(token), ';'),
    };
    tokens.iter().position(ends).map_or(tokens.len(), |end| end + 1)
}

fn without_visibility(tokens: &[TokenTree]) -> &[TokenTree] {
    &tokens[visibility_length(tokens)..]
}

fn visibility_length(tokens: &[TokenTree]) -> usize {
    if tokens.first().and_then(name).as_deref() != Some("pub") {
        return 0;
    }
    let scope = |group: &proc_macro2::Group| {
        let first = group.stream().into_iter().next().as_ref().and_then(name);
        group.delimiter() == Delimiter::Parenthesis
            && first.is_some_and(|word| ["crate", "self", "super", "in"].contains(&&*word))
    };
    match tokens.get(1) {
        Some(TokenTree::Group(group)) if scope(group) => 2,
        _ => 1,
    }
}

/// The name that an item defines.
fn defined(tokens: &[TokenTree]) -> Option<String> {
    let kinds = ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];
    let kind = tokens.iter().position(|token| name(token).is_some_and(|word| kinds.contains(&&*word)))?;
    if tokens[..kind].iter().any(|token| !matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_))) {
        return None;
    }
    // `const fn`, `macro_rules! name`, `static mut`.
    let words = tokens[kind + 1..].iter().filter(|token| !is_punct(Some(token), '!')).map_while(name);
    words.into_iter().find(|word| !["fn", "unsafe", "async", "extern", "mut"].contains(&&**word))
}

/// The path that tokens begin with, and how many tokens it takes.
fn path(tokens: &[TokenTree]) -> (Path, usize) {
    let mut path = Path::new();
    let mut at = 0;
    while let Some(word) = tokens.get(at).and_then(name) {
        path.push(word);
        at += 1;
        let goes_on = tokens.get(at).is_some_and(is_joint)
            && is_punct(tokens.get(at + 1), ':')
            && tokens.get(at + 2).and_then(name).is_some();
        if !goes_on {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// The paths of a tree of imports, and the names they go by.
fn tree(tokens: &[TokenTree], before: &[String]) -> Vec<(Path, Option<String>)> {
    let mut found = Vec::new();
    for branch in tokens.split(|token| is_punct(Some(token), ',') || is_punct(Some(token), ';')) {
        let mut path = before.to_vec();
        let mut known_as = None;
        let mut at = 0;
        while let Some(token) = branch.get(at) {
            match token {
                TokenTree::Ident(word) if *word == "as" => {
                    known_as = branch.get(at + 1).and_then(name);
                    at += 1;
                }
                TokenTree::Ident(word) if *word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    found.extend(tree(&group.stream().into_iter().collect::<Vec<_>>(), &path));
                    path.clear();
                }
                TokenTree::Punct(sign) if sign.as_char() == '*' => {
                    found.push((std::mem::take(&mut path), None));
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
        if let Some(last) = path.last().cloned() {
            found.push((path, Some(known_as.unwrap_or(last))));
        }
    }
    found
}

fn name(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// The first half of `::`.
fn is_joint(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(text: &str) -> Source {
        Source::parse(text).unwrap()
    }

    fn imports(text: &str) -> Vec<String> {
        let shown = |import: &Import| {
            let name = import.name.clone().unwrap_or_else(|| "*".to_owned());
            format!("{} as {name}", import.path.join("::"))
        };
        parse(text).imports.iter().map(shown).collect()
    }

    fn paths(text: &str) -> Vec<String> {
        parse(text).paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn a_tree_of_imports_is_one_path_for_each_name() {
        assert_eq!(
            imports("use crate::a::{self, b::{C, D as E}, f::*}; pub(crate) use super::G;"),
            [
                "crate::a as a",
                "crate::a::b::C as C",
                "crate::a::b::D as E",
                "crate::a::f as *",
                "super::G as G"
            ]
        );
        assert_eq!(imports("fn f() { use crate::a::B; }"), ["crate::a::B as B"]);
        assert!(imports("fn f() -> impl Sized + use<'a> {}").is_empty());
    }

    #[test]
    fn paths_are_found_in_code_also_in_macros_and_not_in_comments_or_strings() {
        assert_eq!(
            paths(
                "fn f(x: super::T) { vec![crate::a::b(1)]; g::<c::D>(); } // crate::e::F\nconst S: &str = \"crate::g::H\";"
            ),
            ["c::D", "crate::a::b", "super::T"]
        );
        assert_eq!(paths("macro_rules! m { () => { $crate::a::b() } }"), ["crate::a::b"]);
        assert_eq!(paths("pub(in crate::a) fn f() { ::std::x::y(); z.w::<u8>() }"), Vec::<String>::new());
    }

    #[test]
    fn what_is_compiled_for_tests_alone_is_left_out() {
        let source = parse(
            "#[cfg(test)] mod tests { use crate::a::B; } #[cfg(all(test, unix))] use crate::c::D; #[cfg(test)] mod laws;\n\
             impl X { #[cfg(test)] fn f(&self) -> M<A, B> { crate::e::F } fn g() { #[cfg(test)] let x = crate::h::I; } }\n\
             #[cfg(not(test))] use crate::j::K;",
        );
        assert!(source.inline.is_empty() && source.files.is_empty() && source.paths.is_empty());
        assert_eq!(source.imports.len(), 1);
        assert!(parse("#![cfg(test)] use crate::a::B;").imports.is_empty());
    }

    #[test]
    fn items_and_modules_are_named() {
        let source = parse(
            "#[derive(Debug)] pub struct A(u8); pub(crate) const fn b() {} static C: u8 = { 1 }; type D = u8; mod e;\n\
             #[path = \"x/f.rs\"] mod f; mod g { struct H; } impl A { fn i() {} } macro_rules! j { () => {} }\n\
             pub unsafe trait K {} const L: u8 = 1; enum M { N }",
        );
        assert_eq!(
            source.items.iter().map(String::as_str).collect::<Vec<_>>(),
            ["A", "C", "D", "K", "L", "M", "b", "j"]
        );
        let files: Vec<_> = source.files.iter().map(|file| (&*file.name, file.path.as_deref())).collect();
        assert_eq!(files, [("e", None), ("f", Some("x/f.rs"))]);
        assert_eq!(source.inline[0].0, "g");
        assert!(source.inline[0].1.items.contains("H"));
    }
}
