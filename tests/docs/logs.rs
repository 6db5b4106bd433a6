//! The log lines of the libraries and the sidecar, as `docs/logs.md` lists them.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{below, document};

/// The crates whose warnings and errors an operator reads.
const PRODUCT: [&str; 10] = [
    "cache",
    "cli",
    "coordinator",
    "core",
    "providers",
    "redis-link",
    "redis-lock",
    "server",
    "store-redis",
    "store-sql",
];

/// A call of `warn!` or `error!`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Call {
    level: &'static str,
    message: String,
    /// By name, with the expression that each one shows.
    fields: BTreeMap<String, String>,
}

/// A line of the document.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    level: String,
    account: String,
    fields: BTreeSet<String>,
}

/// The calls in a source, without those of its tests.
fn calls(source: &str) -> Vec<Call> {
    let mut found = Vec::new();
    let source = without_comments(&without_tests(source));
    for (level, start) in ["warn", "error"].iter().flat_map(|level| begins(&source, level)) {
        found.push(call(level, arguments(&source[start..])));
    }
    found
}

/// Returns the positions at which the arguments of each call of this macro begin.
fn begins(source: &str, level: &'static str) -> Vec<(&'static str, usize)> {
    let name = format!("{level}!(");
    let found = source.match_indices(&name).filter(|(at, _)| {
        let before = source[..*at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    });
    found.map(|(at, _)| (level, at + name.len())).collect()
}

/// The source without its inline test modules, each of which ends with a brace in the first column.
fn without_tests(source: &str) -> String {
    let (mut kept, mut skips) = (String::new(), false);
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let is_module = |next: &&str| next.starts_with("mod ") && next.ends_with('{');
        skips |= line.starts_with("#[cfg(test)]") && lines.peek().is_some_and(is_module);
        if !skips {
            kept.push_str(line);
            kept.push('\n');
        }
        skips &= line != "}";
    }
    kept
}

/// The source without lines that are comments.
fn without_comments(source: &str) -> String {
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The arguments up to the parenthesis that ends the call: commas inside of brackets and strings divide nothing.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut one) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for char in text.chars() {
        if quoted {
            quoted = escaped || char != '"';
            escaped = !escaped && char == '\\';
            one.push(char);
            continue;
        }
        match char {
            '"' => quoted = true,
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(std::mem::take(&mut one).trim().to_owned());
                continue;
            }
            _ => {}
        }
        one.push(char);
    }
    all.push(one.trim().to_owned());
    all.retain(|argument| !argument.is_empty());
    all
}

fn call(level: &'static str, arguments: Vec<String>) -> Call {
    let (mut message, mut fields) = (String::new(), BTreeMap::new());
    for argument in arguments {
        if let Some(literal) = argument.strip_prefix('"') {
            message = joined(literal.strip_suffix('"').unwrap_or(literal));
        } else if let Some((name, shown)) = argument.split_once(" = ") {
            fields.insert(name.trim().to_owned(), shown.trim().to_owned());
        } else {
            // `%name` and `name` show the variable of that name.
            fields.insert(argument.trim_start_matches(['%', '?']).to_owned(), argument);
        }
    }
    Call { level, message, fields }
}

/// A literal that goes on in the next line.
fn joined(literal: &str) -> String {
    literal.split("\\\n").map(str::trim_start).collect()
}

/// Returns the mistakes of a call, apart from the document.
fn mistakes(call: &Call, account: &str) -> Vec<String> {
    let mut found = Vec::new();
    if call.message.contains('{') || call.message.is_empty() {
        found.push("values belong into fields".to_owned());
    }
    let wanted: &[&str] = match account {
        "yes" => &["account", "provider"],
        "key" => &["account"],
        _ => &[],
    };
    for name in wanted {
        if !call.fields.contains_key(*name) {
            found.push(format!("no field {name}"));
        }
    }
    // The name of an account is nobody's business; its key is a hash.
    if let Some(shown) = call.fields.get("account") {
        let is_key = shown.ends_with("key()") || shown == "%key";
        if !is_key {
            found.push(format!("account = {shown} is no account key"));
        }
    }
    found
}

/// The lines of the document, by message.
fn lines(text: &str) -> BTreeMap<String, Line> {
    let mut lines = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if ["level", "---"].contains(&cells[0]) {
            continue;
        }
        let [level, message, account, fields, cause, next, remedy] = cells[..] else {
            panic!("not seven cells: {line}");
        };
        assert!([cause, next, remedy].iter().all(|cell| !cell.is_empty()), "{message}: an empty cell");
        assert!(["yes", "key", "no"].contains(&account), "{message}: account {account:?}");
        let fields = fields.split(", ").map(|field| field.trim_matches('`').to_owned());
        let fields = fields.filter(|field| !field.is_empty()).collect();
        let line = Line { level: level.to_owned(), account: account.to_owned(), fields };
        let message = message.trim_matches('`').to_owned();
        assert_eq!(lines.insert(message.clone(), line), None, "{message} twice");
    }
    lines
}

/// Returns the differences between the calls of all sources and the document.
fn differences(sources: &BTreeMap<String, String>, text: &str) -> Vec<String> {
    let lines = lines(text);
    let (mut found, mut met) = (Vec::new(), BTreeSet::new());
    for (path, source) in sources {
        for call in calls(source) {
            let Some(line) = lines.get(&call.message) else {
                found.push(format!("{path}: no line for {} {:?}", call.level, call.message));
                continue;
            };
            met.insert(call.message.clone());
            let fields: BTreeSet<_> = call.fields.keys().cloned().collect();
            if line.level != call.level || line.fields != fields {
                found.push(format!("{path}: {} {fields:?} {:?} is {line:?}", call.level, call.message));
            }
            let wrong = mistakes(&call, &line.account);
            found.extend(wrong.iter().map(|wrong| format!("{path}: {:?}: {wrong}", call.message)));
        }
    }
    let gone = lines.keys().filter(|message| !met.contains(*message));
    found.extend(gone.map(|message| format!("docs/logs.md: no call logs {message:?}")));
    found
}

/// The sources of the product, without files of tests.
fn product() -> BTreeMap<String, String> {
    let sources = PRODUCT.iter().flat_map(|name| below(&format!("crates/{name}/src")));
    let is_test = |path: &str| ["tests.rs", "laws.rs"].iter().any(|name| path.ends_with(name));
    sources.filter(|(path, _)| !is_test(path)).collect()
}

#[test]
fn every_warning_and_error_has_its_line_and_every_line_its_call() {
    let differences = differences(&product(), &document("docs/logs.md"));
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn a_call_is_read_whole_and_calls_of_tests_are_not() {
    let source = r#"
        // tracing::warn!("in a comment");
        fn work() {
            tracing::warn!(account = %key, %error, hook = hook.name(), "one; (and) \
                another");
            let closure = |_| tracing::error!(
                provider = name(1, 2),
                "quoted \"so\""
            );
            forewarn!("of another macro");
        }

#[cfg(test)]
mod tests {
    fn more() {
        tracing::warn!("in a test");
    }
}

fn last() { error!("the last") }
"#;
    let found = calls(source);
    let fields = |call: &Call| {
        call.fields.iter().map(|(name, shown)| format!("{name}={shown}")).collect::<Vec<_>>().join(" ")
    };
    let found: Vec<_> = found.iter().map(|call| (call.level, &*call.message, fields(call))).collect();
    assert_eq!(
        found,
        [
            ("warn", "one; (and) another", "account=%key error=%error hook=hook.name()".to_owned()),
            ("error", r#"quoted \"so\""#, "provider=name(1, 2)".to_owned()),
            ("error", "the last", String::new()),
        ]
    );
}

#[test]
fn a_difference_between_code_and_document_is_noticed() {
    let text = "| warn | `it broke; it goes on` | yes | `provider`, `account` | a | b | c |";
    let call = |arguments: &str| {
        let source = format!("fn f() {{ tracing::warn!({arguments}) }}");
        BTreeMap::from([("f.rs".to_owned(), source)])
    };
    let whole = r#"provider = name, account = %account.key(), "it broke; it goes on""#;
    assert!(differences(&call(whole), text).is_empty());
    for (before, after, problem) in [
        ("it broke", "it breaks", "no line for"),
        ("provider = name, ", "", "no field provider"),
        ("provider = name", "provider = name, more", "is Line"),
        ("%account.key()", "%account", "is no account key"),
        ("\"it broke; it goes on\"", "\"{why}\"", "no line for"),
    ] {
        let found = differences(&call(&whole.replace(before, after)), text);
        assert!(found.iter().any(|found| found.contains(problem)), "{problem}: {found:?}");
    }
    let nothing = BTreeMap::new();
    assert!(differences(&nothing, text)[0].contains("no call logs"));
    let level = text.replace("warn", "error");
    assert!(differences(&call(whole), &level)[0].contains("is Line"));
    let dynamic = text.replace("it broke; it goes on", "it broke {so}");
    let found = differences(&call(&whole.replace("it broke; it goes on", "it broke {so}")), &dynamic);
    assert!(found[0].contains("values belong into fields"), "{found:?}");
}
