//! Ranks, and the distribution of rank sums.

/// The rank of each value, counted from 1 and doubled, in the order of `values`. Equal values share the mean
/// of their ranks, which may be half-integer.
pub(super) fn doubled_midranks(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0; values.len()];
    let mut below = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        // Ranks below + 1 ..= below + len: twice their mean is the sum of the two ends.
        let doubled = 2 * below + 1 + tied.len();
        tied.iter().for_each(|&index| ranks[index] = doubled);
        below += tied.len();
    }
    ranks
}

/// For each sum, the number of subsets of `scores` that have it. With a `size`, only subsets of that size
/// count.
///
/// The shift algorithm of Streitberg & Röhmel, "Exact Distributions for Permutation and Rank Tests",
/// Statistical Software Newsletter 12, 1986. It accepts any scores, so it is exact with ties.
pub(super) fn subset_sums(scores: &[usize], size: Option<usize>) -> Vec<f64> {
    let width = scores.iter().sum::<usize>() + 1;
    // Without a size, one row is enough: each score adds to the row that it comes from.
    let (rows, step) = size.map_or((1, 0), |size| (size + 1, 1));
    let mut counts = vec![vec![0.0; width]; rows];
    counts[0][0] = 1.0;
    let mut reached = 0;
    for &score in scores {
        reached += score;
        for row in (step..rows).rev() {
            // From the largest sum down, so that no score is used twice.
            for sum in (score..=reached).rev() {
                let without = counts[row - step][sum - score];
                counts[row][sum] += without;
            }
        }
    }
    counts.pop().unwrap_or_default()
}

/// The probability of a sum at least as far out as `sum`, on either side: twice the smaller tail, at most 1.
/// `counts[s]` is the number of equally likely cases whose sum is `s`.
pub(super) fn two_sided(counts: &[f64], sum: usize) -> f64 {
    let below: f64 = counts[..=sum].iter().sum();
    let above: f64 = counts[sum..].iter().sum();
    let total: f64 = counts.iter().sum();
    (2.0 * below.min(above) / total).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice `scipy.stats.rankdata([3, 1, 4, 1, 5])` (SciPy 1.17.1).
    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(doubled_midranks(&[3.0, 1.0, 4.0, 1.0, 5.0]), [6, 3, 8, 3, 10]);
        assert!(doubled_midranks(&[]).is_empty());
    }

    #[test]
    fn subsets_are_counted_by_their_sum() {
        // {}, {1}, {2}, {2}, {1,2}, {1,2}, {2,2}, {1,2,2}.
        assert_eq!(subset_sums(&[1, 2, 2], None), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]);
        assert_eq!(subset_sums(&[1, 2, 2], Some(2)), [0.0, 0.0, 0.0, 2.0, 1.0, 0.0]);
        assert_eq!(subset_sums(&[1, 2, 2], Some(0)), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
