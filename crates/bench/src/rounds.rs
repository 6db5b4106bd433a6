//! Measuring two things in turn, so that other load of the machine affects both.

/// The times of both in each round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    /// The median of ours divided by the peer's of the same round.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.0.iter().map(|(peer, ours)| ours / peer))
    }

    /// The peer's median.
    pub(crate) fn peer(&self) -> f64 {
        median(self.0.iter().map(|(peer, _)| *peer))
    }

    /// Our median.
    pub(crate) fn ours(&self) -> f64 {
        median(self.0.iter().map(|(_, ours)| *ours))
    }
}

impl FromIterator<(f64, f64)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (f64, f64)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Asks the peer and us in turn. The first round warms both up and does not count.
pub(crate) async fn in_turn(
    rounds: usize,
    mut peer: impl AsyncFnMut() -> anyhow::Result<f64>,
    mut ours: impl AsyncFnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<Pairs> {
    let mut pairs = Pairs::default();
    for round in 0..=rounds {
        let pair = (peer().await?, ours().await?);
        if round > 0 {
            pairs.0.push(pair);
        }
    }
    Ok(pairs)
}

/// The middle one; of an even number of them the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The value that this share of them does not exceed.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    #[expect(clippy::cast_sign_loss, reason = "a place in a list")]
    let at = (last as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_that_was_disturbed_does_not_move_the_ratio() {
        let pairs: Pairs = [(1.0, 2.0), (1.0, 2.0), (1.0, 90.0)].into_iter().collect();
        assert!((pairs.ratio() - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        assert!((quantile(&mut [3.0, 1.0, 2.0], 0.5) - 2.0).abs() < f64::EPSILON);
        assert!((quantile(&mut [3.0, 1.0, 2.0], 1.0) - 3.0).abs() < f64::EPSILON);
    }
}
