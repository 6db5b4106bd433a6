//! The folder of answers, where they are files.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{Parts, finding::Finding};

/// Checks the folder as it is; one that is not there yet is made at the first start.
pub(super) fn examine(parts: &Parts) -> Option<Finding> {
    parts.answer_folder.as_deref().map(folder)
}

fn folder(path: &Path) -> Finding {
    let Ok(found) = fs::metadata(path) else {
        return Finding::note(CHECK, format!("{} is made at the first start", path.display()));
    };
    if !found.is_dir() {
        return Finding::error(
            CHECK,
            format!("{} is no folder", path.display()),
            "name a folder in state_dir",
        );
    }
    let open_to = found.permissions().mode() & 0o077;
    if open_to != 0 {
        return Finding::warning(
            CHECK,
            format!(
                "{} can be entered by others (mode {:o})",
                path.display(),
                found.permissions().mode() & 0o777
            ),
            "chmod 700: what lies there are tokens",
        );
    }
    Finding::ok(CHECK, format!("{} is this user's alone", path.display()))
}

const CHECK: &str = "state_dir";

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_folder_is_assessed_by_its_type_and_its_permissions() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("answers");
        assert_eq!(folder(&path).level, Level::Note);
        fs::create_dir(&path).expect("made");
        for (mode, level) in [(0o700, Level::Ok), (0o750, Level::Warning), (0o701, Level::Warning)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(folder(&path).level, level, "{mode:o}");
        }
        let file = place.path().join("file");
        fs::write(&file, "").expect("written");
        assert_eq!(folder(&file).level, Level::Error);
    }
}
