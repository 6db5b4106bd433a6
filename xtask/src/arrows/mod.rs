//! The allowed dependencies: between crates, and inside them.

mod circles;
mod crates;
mod graph;
mod layers;
mod names;
mod rules;
mod source;

use std::path::Path;

use anyhow::{Result, ensure};
use graph::Graph;
use rules::Rules;

use crate::repository::{Package, Repository};

/// Fails unless every arrow points where xtask/arrows.toml lets it.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    let rules: Rules = repository.table("xtask/arrows.toml")?;
    let metadata = repository.metadata(&["--all-features", "--filter-platform", &host(repository)?])?;
    let mut wrong = crates::wrong(&rules, &metadata)?;
    println!("{:<20} {:>5} {:>6}  largest circle of files", "package", "files", "arrows");
    for package in metadata.members().filter(|package| is_ours(repository, package)) {
        let Some(root) = package.root() else { continue };
        let graph = Graph::read(root)?;
        let limit = rules.circles.of(&package.name);
        let circle = graph.largest_circle();
        println!(
            "{:<20} {:>5} {:>6}  {:>2} of at most {limit}",
            package.name,
            graph.files.len(),
            graph.arrows(),
            circle.len()
        );
        if circle.len() > limit {
            wrong.push(format!(
                "{}: {} files import each other in a circle, and {limit} may:\n{}",
                package.name,
                circle.len(),
                graph.list(&circle)
            ));
        }
        wrong.extend(
            rules
                .layers
                .iter()
                .filter(|layer| layer.package == package.name)
                .flat_map(|layer| layers::wrong(layer, &graph)),
        );
    }
    for wrong in &wrong {
        eprintln!("{wrong}");
    }
    ensure!(wrong.is_empty(), "{} arrows or circles are not allowed", wrong.len());
    println!("every arrow points inward");
    Ok(())
}

/// Returns whether a package is one of those in xtask/arrows.toml.
fn is_ours(repository: &Repository, package: &Package) -> bool {
    let within = |folder: &Path| package.manifest_path.starts_with(folder);
    within(&repository.root.join("crates")) || within(&repository.root.join("xtask"))
}

/// The platform that this is built for: crates of others may not have been fetched.
fn host(repository: &Repository) -> Result<String> {
    use crate::program::Run;
    let version = repository.program("rustc").arg("-vV").read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("rustc does not name its host"))
}
