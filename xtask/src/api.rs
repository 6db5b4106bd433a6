//! Lists what each published library makes public, in docs/api: a change of that is then read in a diff, like any
//! other.
//!
//! rustdoc reports it as JSON, which only a nightly compiler writes. Where there is none nothing is listed, and the
//! summary says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};

use crate::{program::Run, repository::Repository, toolchain::Nightly};

/// Lists what each published library makes public; fails, and shows the difference, where docs/api has another listing.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Writes the listings.
    #[arg(long)]
    bless: bool,
}

const FOLDER: &str = "docs/api";

/// Listings by their files' names.
type Listings = BTreeMap<String, String>;

/// Returns a summary in one line.
pub(crate) fn run(repository: &Repository, Arguments { bless }: &Arguments) -> Result<String> {
    let summary = summary(repository, *bless)?;
    println!("{summary}");
    Ok(summary)
}

fn summary(repository: &Repository, bless: bool) -> Result<String> {
    let Some(nightly) = Nightly::find(repository) else {
        return Ok("api: NOT CHECKED, no nightly toolchain".to_owned());
    };
    let listings = listings(repository, &nightly)?;
    let folder = repository.root.join(FOLDER);
    if bless {
        fs::remove_dir_all(&folder)?;
        fs::create_dir_all(&folder)?;
        for (name, listing) in &listings {
            fs::write(folder.join(name), listing)?;
        }
    }
    let differs = print_difference(&read(&folder)?, &listings);
    if differs && nightly.instead.is_some() {
        // Another compiler may word the same in another way.
        return Ok(format!("api: NOT CHECKED, the difference may be that of {}", nightly.describe()));
    }
    ensure!(
        !differs,
        "{FOLDER} is not what the code makes public: read the difference, then cargo xtask api --bless"
    );
    let lines: usize = listings.values().map(|listing| listing.lines().count()).sum();
    Ok(format!("api: {lines} lines in {} listings, by {}", listings.len(), nightly.describe()))
}

fn listings(repository: &Repository, nightly: &Nightly) -> Result<Listings> {
    let metadata = repository.metadata(&["--no-deps"])?;
    let published =
        metadata.members().filter(|package| package.is_published() && package.library().is_some());
    let names: Vec<_> = published.map(|package| &*package.name).collect();
    let work = repository.target.join("api");
    // All at once: one by one, dependencies would be built anew for every library whose features differ.
    let mut command = repository.program("rustup");
    command.args([
        "run",
        &nightly.name,
        "cargo",
        "doc",
        "--quiet",
        "--no-deps",
        "--lib",
        "--locked",
        "--all-features",
    ]);
    command.args(names.iter().map(|name| format!("--package={name}"))).env("CARGO_TARGET_DIR", &work);
    command.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints warn").run()?;
    let listing = |name: &str| {
        let json = work.join("doc").join(format!("{}.json", name.replace('-', "_")));
        Ok((format!("{name}.txt"), listing(&json)?))
    };
    let listings = names.into_iter().map(listing).collect::<Result<_>>()?;
    // All dependencies, once more by another compiler.
    fs::remove_dir_all(&work)?;
    Ok(listings)
}

/// Returns the public items of a library, one a line.
fn listing(json: &Path) -> Result<String> {
    let public = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build();
    let public = public.with_context(|| json.display().to_string())?;
    let items = public.items().map(ToString::to_string).filter(|item| !is_of_the_compiler(item));
    Ok(items.map(|item| item + "\n").collect())
}

/// Returns whether an item implements a trait of the compiler's that nobody can name.
fn is_of_the_compiler(item: &str) -> bool {
    ["Freeze", "StructuralPartialEq", "UnsafeUnpin"].iter().any(|marker| {
        let name = format!("core::marker::{marker} for ");
        item.starts_with("impl") && [" ", "!"].iter().any(|before| item.contains(&format!("{before}{name}")))
    })
}

fn read(folder: &Path) -> Result<Listings> {
    let files = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let file = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).context("a listing has a name")?;
        Ok((name.to_owned(), fs::read_to_string(path)?))
    };
    files.map(|entry| file(&entry?.path())).collect()
}

/// Prints the differences of two listings; returns whether there is one.
fn print_difference(before: &Listings, now: &Listings) -> bool {
    let mut differs = false;
    for name in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        let difference = difference(before.get(name), now.get(name));
        if !difference.is_empty() {
            println!("{FOLDER}/{name}:\n{}", difference.join("\n"));
            differs = true;
        }
    }
    differs
}

/// The lines that are in one listing alone, by `-` and `+`; their order says nothing.
fn difference(before: Option<&String>, now: Option<&String>) -> Vec<String> {
    let lines = |listing: Option<&String>| -> BTreeSet<String> {
        listing.map(|listing| listing.lines().map(str::to_owned).collect()).unwrap_or_default()
    };
    let (before, now) = (lines(before), lines(now));
    let gone = before.difference(&now).map(|line| format!("-{line}"));
    gone.chain(now.difference(&before).map(|line| format!("+{line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_is_gone_and_what_is_new() {
        let (before, now) = ("a\nb\n".to_owned(), "b\nc\n".to_owned());
        assert_eq!(difference(Some(&before), Some(&now)), ["-a", "+c"]);
        assert_eq!(difference(None, Some(&now)), ["+b", "+c"]);
        assert!(difference(Some(&now), Some(&now)).is_empty());
    }

    #[test]
    fn traits_of_the_compiler_are_left_out() {
        assert!(is_of_the_compiler("impl core::marker::Freeze for a::B"));
        assert!(is_of_the_compiler("impl !core::marker::UnsafeUnpin for a::B"));
        assert!(!is_of_the_compiler("impl core::marker::Send for a::B"));
    }
}
