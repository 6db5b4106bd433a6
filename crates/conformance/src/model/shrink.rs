//! Making a sequence that shows a divergence as short as possible.

use super::{Divergence, Pairs};

/// Returns the end of the history that shows a divergence when it starts from an empty pair, without the operations
/// that can be left out.
pub(super) async fn shrink<T: Pairs>(
    pairs: &mut T,
    history: &[T::Operation],
) -> Option<(Vec<T::Operation>, Divergence)> {
    let mut replays = Replays { pairs, left: OPERATIONS };
    let (mut shortest, mut divergence) = replays.shortest_end(history).await?;
    let mut chunk = shortest.len().div_ceil(2);
    while chunk > 0 && replays.left > 0 {
        let mut at = 0;
        while at < shortest.len() && replays.left > 0 {
            let end = (at + chunk).min(shortest.len());
            let without = [&shortest[..at], &shortest[end..]].concat();
            match replays.replay(&without).await {
                Some((steps, found)) => {
                    shortest = without[..steps].to_vec();
                    divergence = found;
                }
                None => at = end,
            }
        }
        chunk /= 2;
    }
    Some((shortest, divergence))
}

/// Carries sequences out once more, up to a total number of operations.
struct Replays<'a, T> {
    pairs: &'a mut T,
    left: usize,
}

impl<T: Pairs> Replays<'_, T> {
    async fn shortest_end(&mut self, history: &[T::Operation]) -> Option<(Vec<T::Operation>, Divergence)> {
        let mut length = FIRST;
        loop {
            let end = &history[history.len().saturating_sub(length)..];
            if let Some((steps, divergence)) = self.replay(end).await {
                return Some((end[..steps].to_vec(), divergence));
            }
            if end.len() == history.len() || self.left == 0 {
                return None;
            }
            length *= 4;
        }
    }

    /// Returns the divergence and the number of operations it takes.
    async fn replay(&mut self, operations: &[T::Operation]) -> Option<(usize, Divergence)> {
        self.pairs.start_over().await;
        for (steps, operation) in (1..).zip(operations) {
            self.left = self.left.checked_sub(1)?;
            if let Err(divergence) = self.pairs.carry_out(operation).await {
                return Some((steps, divergence));
            }
            if (operations.len() <= SHORT || steps == operations.len())
                && let Err(divergence) = self.pairs.read().await
            {
                return Some((steps, divergence));
            }
        }
        None
    }
}

/// The length tried first: most divergences need few operations.
const FIRST: usize = 8;

/// The length up to which everything is compared after each operation of a sequence.
const SHORT: usize = 64;

/// The largest number of operations of the search, which takes seconds.
const OPERATIONS: usize = 20_000;
