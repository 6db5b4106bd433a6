//! Files that import each other in a circle.

use std::collections::BTreeSet;

/// The largest set of nodes in which each can be reached from every other; a node alone is a circle of one.
pub(crate) fn largest(arrows: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let reached: Vec<_> = (0..arrows.len()).map(|node| reached_from(node, arrows)).collect();
    let circle = |node: usize| -> BTreeSet<_> {
        reached[node].iter().copied().filter(|other| reached[*other].contains(&node)).chain([node]).collect()
    };
    (0..arrows.len()).map(circle).max_by_key(BTreeSet::len).unwrap_or_default()
}

fn reached_from(node: usize, arrows: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![node]);
    while let Some(at) = open.pop() {
        open.extend(arrows[at].iter().copied().filter(|next| reached.insert(*next)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arrows: &[&[usize]]) -> Vec<usize> {
        let arrows: Vec<_> = arrows.iter().map(|to| to.iter().copied().collect()).collect();
        largest(&arrows).into_iter().collect()
    }

    #[test]
    fn the_largest_circle_is_found() {
        assert_eq!(of(&[&[1], &[0, 2], &[3], &[4], &[2], &[0]]), [2, 3, 4]);
        assert_eq!(of(&[&[1], &[2], &[]]).len(), 1);
        assert!(of(&[]).is_empty());
    }
}
