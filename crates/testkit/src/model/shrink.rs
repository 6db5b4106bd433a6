//! Making a sequence that shows a divergence as short as possible.

use super::{Divergence, Twins};

/// The end of the history that shows a divergence from empty twins, without whatever can be left out.
pub(super) async fn shrink<T: Twins>(
    twins: &mut T,
    history: &[T::Operation],
) -> Option<(Vec<T::Operation>, Divergence)> {
    let mut replays = Replays { twins, left: OPERATIONS };
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

/// Sequences carried out once more, as long as there is patience for it.
struct Replays<'a, T> {
    twins: &'a mut T,
    left: usize,
}

impl<T: Twins> Replays<'_, T> {
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

    /// How many operations it takes.
    async fn replay(&mut self, operations: &[T::Operation]) -> Option<(usize, Divergence)> {
        self.twins.start_over().await;
        for (steps, operation) in (1..).zip(operations) {
            self.left = self.left.checked_sub(1)?;
            if let Err(divergence) = self.twins.carry_out(operation).await {
                return Some((steps, divergence));
            }
            if (operations.len() <= SHORT || steps == operations.len())
                && let Err(divergence) = self.twins.look().await
            {
                return Some((steps, divergence));
            }
        }
        None
    }
}

/// Most divergences need a handful.
const FIRST: usize = 8;

/// In so short a sequence everything is looked at after each operation.
const SHORT: usize = 64;

/// How many operations the search may take: seconds.
const OPERATIONS: usize = 20_000;
