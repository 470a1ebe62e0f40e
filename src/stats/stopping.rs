//! When a point has samples enough.

use super::median::{median, median_interval};

/// Samples at the first look.
pub const FIRST_LOOK: usize = 10;

/// What to do with a point that has the samples it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Take more, and ask again at `until_n`.
    Continue {
        /// Samples in all at the next look.
        until_n: usize,
    },
    /// The interval of the median is as narrow as was asked for: converged.
    Precise,
    /// As many samples as are ever taken, and not converged.
    LargestN,
}

/// Whether `samples`, those that count, suffice: half the interval of the median by the median is
/// at most `precision` (0.02 is 2 %).
///
/// It is looked at only from `next_look` on, and the looks are n = 10, 15, 22, 33, 50, 75 ... and
/// `largest_n`: whoever looks after every sample stops at the first lucky one (Armitage, McPherson &
/// Rowe, J. R. Statist. Soc. A 132(2), 1969), and so the looks are few and fixed beforehand. The first
/// is at [`FIRST_LOOK`]; `Continue` says where the next is. Where several samples are added at a time
/// a look comes late and is not skipped. A precision that no interval can reach (negative, not a
/// number) runs to `largest_n`.
pub fn decide(samples: &[f64], next_look: usize, precision: f64, largest_n: usize) -> Decision {
    let n = samples.len();
    if n < next_look.min(largest_n) {
        return Decision::Continue { until_n: next_look.min(largest_n) };
    }
    if precise(samples, precision) {
        return Decision::Precise;
    }
    let until_n = looks().find(|&look| look > n).unwrap_or(largest_n).min(largest_n);
    if n < until_n { Decision::Continue { until_n } } else { Decision::LargestN }
}

/// Whether `samples`, at least [`FIRST_LOOK`] of them, have a median whose interval is as narrow as was asked for:
/// half of it by the median is at most `precision`.
///
/// At looks this ends a point. Of a point that something else has ended, the budget, say, it only tells how wide
/// the interval is: that end did not depend on the samples, so it is no further chance to stop at lucky ones.
pub fn precise(samples: &[f64], precision: f64) -> bool {
    samples.len() >= FIRST_LOOK && relative_half_width(samples).is_some_and(|width| width <= precision)
}

/// Samples fewer than this say too little of their scatter: the third look.
const TELLING: usize = 22;

/// The look at which `samples` will probably be [`precise`], if the rest scatter as these do: an interval of the
/// median becomes narrower by the square root of their number. `None` while there are too few to tell.
pub fn foreseen_look(samples: &[f64], next_look: usize, precision: f64, largest_n: usize) -> Option<usize> {
    let width = relative_half_width(samples).filter(|_| samples.len() >= TELLING)?;
    let wanted = samples.len() as f64 * (width / precision).powi(2);
    let enough = |look: &usize| *look >= next_look && *look as f64 >= wanted;
    Some(looks().find(enough).unwrap_or(largest_n).min(largest_n))
}

/// 10 x 1.5^k, rounded down.
fn looks() -> impl Iterator<Item = usize> {
    (0..usize::BITS).map_while(|k| Some(FIRST_LOOK.checked_mul(3_usize.checked_pow(k)?)? >> k))
}

/// Half the interval of the median by the median; `None` without an interval or with a median of 0.
fn relative_half_width(samples: &[f64]) -> Option<f64> {
    let (low, high) = median_interval(samples)?;
    let centre = median(samples).filter(|&centre| centre != 0.0)?;
    Some((high - low) / 2.0 / centre.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// `n` samples around 100 whose 95 % interval reaches `half_width` to either side.
    fn samples(n: usize, half_width: f64) -> Vec<f64> {
        (0..n).map(|i| if i % 2 == 0 { 100.0 - half_width } else { 100.0 + half_width }).collect()
    }

    #[test]
    fn looks_are_those_of_the_method() {
        assert_eq!(looks().take(8).collect::<Vec<_>>(), [10, 15, 22, 33, 50, 75, 113, 170]);
    }

    #[test]
    fn between_looks_nothing_is_decided() {
        for n in (0..100).filter(|n| ![10, 15, 22, 33, 50, 75].contains(n)) {
            let until_n = looks().find(|&look| look > n).unwrap();
            assert_eq!(
                decide(&vec![1.0; n], until_n, 0.02, 1_000),
                Decision::Continue { until_n },
                "n = {n}"
            );
        }
    }

    #[test]
    fn a_look_that_comes_late_is_a_look() {
        assert_eq!(decide(&samples(12, 2.0), 10, 0.02, 1_000), Decision::Precise);
        assert_eq!(decide(&samples(17, 2.1), 15, 0.02, 1_000), Decision::Continue { until_n: 22 });
        assert_eq!(decide(&samples(9, 1.0), 10, 0.02, 1_000), Decision::Continue { until_n: 10 });
    }

    #[test]
    fn a_look_stops_at_the_precision_and_not_before() {
        for n in [10, 22, 50] {
            assert_eq!(decide(&samples(n, 2.0), FIRST_LOOK, 0.02, 1_000), Decision::Precise, "n = {n}");
            let until_n = looks().find(|&look| look > n).unwrap();
            assert_eq!(
                decide(&samples(n, 2.1), FIRST_LOOK, 0.02, 1_000),
                Decision::Continue { until_n },
                "n = {n}"
            );
        }
    }

    #[test]
    fn half_the_width_takes_four_times_the_samples_and_ends_at_a_look() {
        assert_eq!(foreseen_look(&samples(30, 4.0), 33, 0.02, 1_000), Some(170), "120 are wanted");
        assert_eq!(foreseen_look(&samples(30, 1.0), 33, 0.02, 1_000), Some(33), "enough, at the next look");
        assert_eq!(foreseen_look(&samples(30, 4.0), 33, 0.02, 100), Some(100));
        assert_eq!(foreseen_look(&samples(30, 4.0), 33, 0.0, 100), Some(100));
        assert_eq!(foreseen_look(&samples(21, 4.0), 22, 0.02, 1_000), None);
        assert_eq!(foreseen_look(&[0.0; 30], 33, 0.02, 1_000), None);
    }

    /// At the look foretold at the third one precision is reached, mostly, and not by far: twenty-two samples
    /// tell of their scatter within a factor of two, and their interval errs on the wide side.
    #[test]
    fn what_is_foreseen_is_about_enough() {
        let mut random = Random::new(17);
        let width = |_: usize| {
            let look = foreseen_look(&random.lognormal(TELLING, 1.0, 0.1), 33, 0.02, 100_000).unwrap();
            relative_half_width(&random.lognormal(look, 1.0, 0.1)).unwrap()
        };
        let widths: Vec<f64> = (0..500).map(width).collect();
        let tenths = [0.1, 0.5, 0.9].map(|q| super::super::median::quantile(&widths, q).unwrap());
        println!("half-widths where 2 % was foretold, tenths 1, 5 and 9: {tenths:?}");
        assert!(0.01 < tenths[0] && tenths[1] < 0.02 && tenths[2] < 0.03, "{tenths:?}");
    }

    #[test]
    fn the_largest_n_is_a_look_and_the_last_one() {
        assert_eq!(decide(&samples(33, 9.0), FIRST_LOOK, 0.02, 40), Decision::Continue { until_n: 40 });
        assert_eq!(decide(&samples(40, 9.0), FIRST_LOOK, 0.02, 40), Decision::LargestN);
        assert_eq!(decide(&samples(40, 1.0), FIRST_LOOK, 0.02, 40), Decision::Precise);
        assert_eq!(decide(&samples(60, 9.0), FIRST_LOOK, 0.02, 40), Decision::LargestN);
        assert_eq!(decide(&[1.0; 9], FIRST_LOOK, 0.02, 9), Decision::LargestN);
        assert_eq!(decide(&[], FIRST_LOOK, 0.02, 0), Decision::LargestN);
    }

    #[test]
    fn no_precision_and_no_median_run_to_the_end() {
        assert_eq!(decide(&samples(10, 0.0), FIRST_LOOK, f64::NAN, 10), Decision::LargestN);
        assert_eq!(decide(&[0.0; 10], FIRST_LOOK, 0.02, 10), Decision::LargestN);
    }

    /// Where the rule ends, the interval holds the median nearly as often as it says. At 4 % noise
    /// the looks cost the most: 94.8 % of 20,000 are left, of the 96.7 % that n = 50 alone would have.
    #[test]
    fn stopping_by_rule_keeps_the_coverage() {
        let mut random = Random::new(11);
        let covered = |random: &mut Random| {
            let mut samples = Vec::new();
            let mut next_look = FIRST_LOOK;
            while let Decision::Continue { until_n } = decide(&samples, next_look, 0.02, 50) {
                samples.extend(random.lognormal(until_n - samples.len(), 1.0, 0.04));
                next_look = until_n;
            }
            let (low, high) = median_interval(&samples).unwrap();
            low <= 1.0 && 1.0 <= high
        };
        let count = (0..4_000).filter(|_| covered(&mut random)).count();
        println!("coverage under the stopping rule: {}", count as f64 / 4_000.0);
        assert!(count >= 3_720, "{count} of 4000");
    }
}
