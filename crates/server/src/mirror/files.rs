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
pub struct MirrorFiles(Vec<(Account, MirroredPath)>);

impl MirrorFiles {
    /// Checks files by themselves and against each other.
    ///
    /// # Errors
    /// `mirror.path`: a path that is not the absolute path of a file, or is given twice; `mirror`: more than 256 files.
    pub fn new(files: impl IntoIterator<Item = (Account, PathBuf)>) -> Result<Self, InputError> {
        let mut checked: Vec<(Account, MirroredPath)> = Vec::new();
        for (account, path) in files {
            if checked.len() >= MAX_MIRRORS {
                return Err(InputError::new("mirror", format!("at most {MAX_MIRRORS}")));
            }
            let place = MirroredPath::of(&path).filter(|_| path.is_absolute());
            let place = place.ok_or_else(|| InputError::new("mirror.path", "an absolute path of a file"))?;
            if checked.iter().any(|(_, other)| other.path() == path) {
                return Err(InputError::new("mirror.path", "each file once"));
            }
            checked.push((account, place));
        }
        Ok(Self(checked))
    }

    pub(super) fn into_places(self) -> Vec<(Account, MirroredPath)> {
        self.0
    }
}

/// Each is checked every other second; a host has a handful of tools.
const MAX_MIRRORS: usize = 256;
