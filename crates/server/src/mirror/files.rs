//! The files to keep fresh, checked.

use std::path::PathBuf;

use solekey::core::{Account, InputError};

use super::place::MirroredPath;

/// Files of command line tools of this host, and the account whose tokens belong into each.
///
/// A file is written for its owner alone, in the shape it has or, where there is none, in that of the account. A
/// refresh token in it that the account neither holds nor has had is a login, and imported as
/// [`Solekey::login`](solekey::Solekey::login) would. A content that is no credential is left alone until it changes; a
/// file that was there and is gone is not put back; symbolic links, to the file or to its folder, are refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MirrorFiles(Vec<CheckedFile>);

/// A file to keep fresh, and the account whose tokens belong into it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MirrorFile {
    account: Account,
    path: PathBuf,
    field: Option<String>,
}

/// The same, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CheckedFile {
    pub(super) account: Account,
    pub(super) place: MirroredPath,
    pub(super) field: Option<String>,
}

impl MirrorFile {
    /// A file with one account in it.
    pub fn new(account: Account, path: impl Into<PathBuf>) -> Self {
        Self { account, path: path.into(), field: None }
    }

    /// The account's tokens are in this field of the file's object, and other fields may hold other accounts: the
    /// `auth.json` of opencode, for example. The field is not added to a file: the first login is the tool's.
    #[must_use]
    pub fn in_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }
}

impl From<(Account, PathBuf)> for MirrorFile {
    fn from((account, path): (Account, PathBuf)) -> Self {
        Self::new(account, path)
    }
}

impl MirrorFiles {
    /// Checks files by themselves and against each other.
    ///
    /// # Errors
    /// `mirror.path`: a path that is not the absolute path of a file, or is given twice without a field each;
    /// `mirror.field`: an empty or very long name; `mirror`: more than 256 files.
    pub fn new(files: impl IntoIterator<Item = impl Into<MirrorFile>>) -> Result<Self, InputError> {
        let mut checked: Vec<CheckedFile> = Vec::new();
        for MirrorFile { account, path, field } in files.into_iter().map(Into::into) {
            if checked.len() >= MAX_MIRRORS {
                return Err(InputError::new("mirror", format!("at most {MAX_MIRRORS}")));
            }
            let place = MirroredPath::of(&path).filter(|_| path.is_absolute());
            let place = place.ok_or_else(|| InputError::new("mirror.path", "an absolute path of a file"))?;
            if field.as_ref().is_some_and(|field| field.is_empty() || field.len() > MAX_FIELD) {
                return Err(InputError::new("mirror.field", format!("1 to {MAX_FIELD} bytes")));
            }
            let file = CheckedFile { account, place, field };
            if checked.iter().any(|other| other.overlaps(&file)) {
                return Err(InputError::new("mirror.path", "each file once, or once for each `field`"));
            }
            checked.push(file);
        }
        Ok(Self(checked))
    }

    pub(super) fn into_files(self) -> Vec<CheckedFile> {
        self.0
    }
}

impl CheckedFile {
    /// Returns true if both would write in the same place.
    fn overlaps(&self, other: &Self) -> bool {
        let differ = self.field.is_some() && other.field.is_some() && self.field != other.field;
        self.place == other.place && !differ
    }
}

/// Each is checked every other second; a host has a handful of tools.
const MAX_MIRRORS: usize = 256;
/// Names of fields are short.
const MAX_FIELD: usize = 256;
