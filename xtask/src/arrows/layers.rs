//! Folders that import nothing from others.

use super::{graph::Graph, rules::Layer};

/// Every import that a layer must not have; that it has no file at all is as wrong.
pub(crate) fn wrong(layer: &Layer, graph: &Graph) -> Vec<String> {
    let Layer { package, folder, never } = layer;
    let files: Vec<_> = (0..graph.files.len()).filter(|file| is_in(&graph.files[*file], folder)).collect();
    if files.is_empty() {
        return vec![format!("{package}: xtask/arrows.toml has a rule for {folder}/, and nothing is there")];
    }
    let imports = files.iter().flat_map(|from| graph.from(*from).map(move |to| (*from, to)));
    let forbidden = imports.filter(|(_, to)| never.iter().any(|module| is_in(&graph.files[*to], module)));
    forbidden
        .map(|(from, to)| {
            format!(
                "{package}: {folder}/ imports nothing of this: {} -> {}",
                graph.files[from], graph.files[to]
            )
        })
        .collect()
}

/// Returns whether a file is a module or below it.
fn is_in(file: &str, module: &str) -> bool {
    let rest = file.strip_prefix(module);
    rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        Layer { package: "p".to_owned(), folder: "low".to_owned(), never: vec!["high".to_owned()] }
    }

    #[test]
    fn a_layer_imports_nothing_from_above_whether_it_is_a_file_or_a_folder() {
        let files = |low: &str| {
            Graph::of(&[
                ("lib.rs", "mod low; mod high; mod higher;"),
                ("low/mod.rs", low),
                ("high.rs", "mod part; pub struct High; use crate::low::Low;"),
                ("high/part.rs", "pub struct Part;"),
                ("higher.rs", "pub struct Higher;"),
            ])
        };
        let count = |low| wrong(&layer(), &files(low)).len();
        assert_eq!(count("pub struct Low; use crate::higher::Higher;"), 0);
        assert_eq!(count("pub struct Low; use crate::high::High;"), 1);
        assert_eq!(count("fn f() { crate::high::part::Part; }"), 1);
    }

    #[test]
    fn a_layer_without_files_is_wrong() {
        assert_eq!(wrong(&layer(), &Graph::of(&[("lib.rs", "")])).len(), 1);
    }
}
