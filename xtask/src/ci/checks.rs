//! Steps that run nothing of what they build.

use anyhow::{Context, Result};

use super::Ci;
use crate::{program::Run, tool::CARGO_DENY, toolchain};

/// Workspaces of their own.
const OTHERS: [&str; 3] = ["containers", "fuzz", "interleavings"];

impl Ci<'_> {
    pub(super) fn format(&self) -> Result<()> {
        self.cargo(&["fmt", "--all", "--check"])?;
        self.cargo(&["fmt", "--manifest-path", "tests/stranger/Cargo.toml", "--check"])?;
        for other in OTHERS {
            let manifest = format!("{other}/Cargo.toml");
            self.cargo(&["fmt", "--manifest-path", &manifest, "--check"])?;
            // Its own lock knows what our crates depend on: a stale one fails here rather than an hour later.
            let metadata = ["metadata", "--format-version", "1", "--locked", "--manifest-path", &manifest];
            self.repository.cargo().args(metadata).read().with_context(|| format!("{other}/Cargo.lock"))?;
        }
        Ok(())
    }

    pub(super) fn licences(&self) -> Result<()> {
        let path = CARGO_DENY.path(self.repository)?;
        let check = ["deny", "check", "licenses", "bans", "sources"];
        self.repository.cargo().args(check).env("PATH", path).run()
    }

    pub(super) fn lints(&self) -> Result<()> {
        let all = ["--all-targets", "--locked", "--", "-D", "warnings"];
        self.cargo(&[&["clippy", "--workspace", "--all-features"], &all[..]].concat())?;
        let mut command = self.repository.cargo();
        command.args(["clippy", "--manifest-path", "interleavings/Cargo.toml"]).args(all);
        command.env("CARGO_TARGET_DIR", self.repository.target.join("interleavings")).run()
    }

    /// Checks that what users switch off is off: each of these sets of features builds alone.
    pub(super) fn features(&self) -> Result<()> {
        let mut sets = vec![
            vec!["-p", "solekey"],
            vec!["-p", "solekey", "--features", "sqlite"],
            vec!["-p", "solekey-redis-link"],
            vec!["-p", "solekey-cli"],
        ];
        if self.deep {
            // What the first two build for the coordinator, by itself and with the other half.
            sets.push(vec!["-p", "solekey", "--features", "postgres"]);
            sets.push(vec!["-p", "solekey-cache"]);
            sets.push(vec!["-p", "solekey-store-sql", "--features", "postgres"]);
        }
        for set in sets {
            println!("{}", set[1..].join(" "));
            self.cargo(&[&["check", "--locked", "--quiet", "--no-default-features"], &set[..]].concat())?;
        }
        self.deployed()
    }

    /// Checks that the binary that is deployed, without `demo`, has no test server in it.
    fn deployed(&self) -> Result<()> {
        let set = ["-p", "solekey-cli", "--no-default-features", "--features", "otlp"];
        self.cargo(&[&["check", "--locked", "--quiet"], &set[..]].concat())?;
        let mut command = self.repository.cargo();
        command
            .args(["tree", "--locked", "--quiet", "--edges", "normal,build", "--prefix", "none"])
            .args(set);
        let tree = command.read()?;
        let has = |package: &str| tree.lines().any(|line| line.starts_with(&format!("{package} v")));
        anyhow::ensure!(has("solekey-server"), "cargo tree does not list what solekey-cli depends on");
        anyhow::ensure!(!has("solekey-testkit"), "solekey-cli depends on solekey-testkit without demo");
        Ok(())
    }

    pub(super) fn docs(&self) -> Result<()> {
        let mut command = self.repository.cargo();
        command.args(["doc", "--workspace", "--all-features", "--no-deps", "--locked"]);
        command.env("RUSTDOCFLAGS", "-D warnings").run()
    }

    /// The compilers that manifests state as `rust-version`. Cargo refuses a package that asks for a newer one than it
    /// is given. In an ordinary run clippy refuses what the standard library got later (`incompatible_msrv`), and the
    /// oldest compiler reads what stands on no C code, which would be built for it alone.
    pub(super) fn msrv(&mut self) -> Result<()> {
        if !self.deep {
            let features = "solekey-cache/redis,solekey-redis-lock/port";
            let packages = ["-p", "solekey-cache", "-p", "solekey-redis-lock", "-p", "solekey-store-redis"];
            return self.builds_with("1.88.0", &[&packages[..], &["--features", features]].concat());
        }
        let newer = [
            "solekey-store-sql",
            "solekey-server",
            "solekey-cli",
            "solekey-bench",
            "solekey-examples",
            "solekey-tests",
            "xtask",
        ];
        let mut libraries = vec!["--workspace", "--features", "solekey-cache/redis,solekey-redis-lock/port"];
        libraries.extend(newer.iter().flat_map(|name| ["--exclude", name]));
        self.builds_with("1.88.0", &libraries)?;
        self.builds_with(
            "1.94.0",
            &["--all-features", "-p", "solekey-store-sql", "-p", "solekey-server", "-p", "solekey-cli"],
        )
    }

    fn builds_with(&mut self, version: &str, packages: &[&str]) -> Result<()> {
        let folder = self.repository.target.join("msrv");
        let check = || {
            let mut command = self.repository.program("rustup");
            command.args(["run", version, "cargo", "check", "--locked", "--quiet"]).args(packages);
            let checked = command.env("CARGO_TARGET_DIR", &folder).run();
            // A compiler and all its dependencies: nothing else here is built with them.
            std::fs::remove_dir_all(&folder).ok();
            checked
        };
        let Some(checked) = toolchain::with(self.repository, version, check) else {
            self.notes.push(format!("msrv: {version} NOT CHECKED, there is no such toolchain"));
            return Ok(());
        };
        checked.with_context(|| format!("does not build with Rust {version}"))?;
        self.notes.push(format!(
            "msrv: {version} builds {}",
            if self.deep {
                "everything that says so"
            } else {
                "what stands on no C code; the rest is left to --deep"
            }
        ));
        Ok(())
    }
}
