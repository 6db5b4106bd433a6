//! The files that have changed since the work of this repository was last handed on.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::repository::Repository;

/// The files that changed, and since when.
pub(crate) struct Changed {
    pub(crate) since: String,
    pub(crate) files: BTreeSet<String>,
}

/// The age, in seconds, from which commits belong to earlier work if there is no tag.
const WORK: u64 = 24 * 60 * 60;

impl Changed {
    /// Finds what changed since the newest tag `landed/*` before HEAD; without one, since the newest commit that is
    /// more than a day older than HEAD by its committer's date. What is not committed yet has changed, too. Where the
    /// history that is here begins later than that, as in a shallow clone, nobody knows what changed: every file
    /// counts.
    ///
    /// The same commit has the same answer on every machine and at every time, if its history and tags are there.
    pub(crate) fn find(repository: &Repository) -> Result<Self> {
        let Some((since, base)) = base(repository)? else {
            let since =
                "the beginning: there is no earlier tag landed/*, and no commit a day older than HEAD";
            return Ok(Self { since: since.to_owned(), files: repository.files()?.into_iter().collect() });
        };
        let listed = repository.git(&["diff", "--name-only", "--no-renames", "-z", &base])?;
        let new = repository.git(&["ls-files", "-z", "--others", "--exclude-standard"])?;
        let files = listed.split('\0').chain(new.split('\0')).filter(|path| !path.is_empty());
        Ok(Self { since, files: files.map(str::to_owned).collect() })
    }
}

fn base(repository: &Repository) -> Result<Option<(String, String)>> {
    // Newest first; HEAD itself is not among them.
    let tags = repository.git(&["tag", "--list", "landed/*", "--merged", "HEAD", "--sort=-creatordate"])?;
    let head = repository.git(&["rev-parse", "HEAD"])?;
    for tag in tags.lines() {
        if repository.git(&["rev-list", "-n", "1", tag])? != head {
            return Ok(Some((tag.to_owned(), tag.to_owned())));
        }
    }
    let commits = repository.git(&["log", "--format=%H %ct", "HEAD"])?;
    Ok(a_day_before(&commits).map(|commit| (format!("{commit:.9}, a day before HEAD"), commit.to_owned())))
}

/// The first commit that is more than a day older than the first of all, in lines of an id and seconds since 1970.
fn a_day_before(commits: &str) -> Option<&str> {
    let mut commits = commits.lines().filter_map(|line| line.split_once(' '));
    let time = |text: &str| text.parse::<u64>().ok();
    let head = time(commits.next()?.1)?;
    commits.find(|(_, at)| time(at).is_some_and(|at| at + WORK < head)).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_begins_at_the_first_commit_that_is_more_than_a_day_old() {
        assert_eq!(a_day_before("d 200000\nc 199000\nb 113600\na 113599"), Some("a"));
        assert_eq!(a_day_before("b 200000\na 199000"), None);
        assert_eq!(a_day_before(""), None);
    }
}
