//! Which samples were taken while somebody else slowed the processor.

use super::median::quantile;

/// The part of the readings that a processor left alone must give: below it nobody knows how fast
/// it can be.
const QUIET_SHARE: f64 = 0.25;

/// A reading this much longer than those of a processor left alone is none of noise: a neighbour on the
/// core takes half of it or a third.
const EXCESS: f64 = 1.1;

/// For each of `readings`, times of the same work in any unit, whether the processor was slowed then.
///
/// The faster quarter of the readings tells what the processor does when it is left alone, and one
/// is disturbed where it took a tenth longer. The readings are of work of their own and not of what is
/// measured: so the samples beside them are told apart by a covariate and never by their own value, which
/// leaves what is kept unbiased (an outlier rule would not; Hoefler & Belli, SC 2015, rule 4).
#[must_use]
pub fn disturbed(readings: &[f64]) -> Vec<bool> {
    let limit = quantile(readings, QUIET_SHARE).map_or(f64::INFINITY, |quiet| EXCESS * quiet);
    readings.iter().map(|&reading| reading > limit).collect()
}

#[cfg(test)]
mod tests {
    use super::super::median::{median, median_interval};
    use super::super::random::Random;
    use super::*;

    #[test]
    fn what_exceeds_the_faster_quarter_by_a_tenth_is_disturbed() {
        let readings = [10.0, 10.1, 20.0, 10.05, 10.9, 11.2, 19.0, 10.0];
        assert_eq!(disturbed(&readings), [false, false, true, false, false, true, true, false]);
        assert_eq!(disturbed(&[]), [false; 0]);
        assert_eq!(disturbed(&[7.0]), [false]);
    }

    #[test]
    fn a_processor_that_is_hardly_ever_left_alone_is_what_it_is() {
        let mut readings = vec![20.0; 80];
        readings.extend([10.0; 20]);
        assert!(disturbed(&readings).iter().all(|disturbed| !disturbed));
    }

    /// A neighbour comes and goes and makes samples take 1.4 times as long: where it is there for half
    /// of the time, the median of all lies anywhere between; that of the undisturbed is the truth.
    #[test]
    fn the_median_of_the_undisturbed_is_that_of_a_quiet_machine() {
        let mut random = Random::new(31);
        let mut covered = 0;
        for _ in 0..200 {
            let noise = random.lognormal(60, 1.0, 0.02);
            let slowed: Vec<bool> = (0..60).map(|index| index / 7 % 2 == 1).collect();
            let factor = |slowed: bool| if slowed { 1.4 } else { 1.0 };
            let samples: Vec<f64> = noise.iter().zip(&slowed).map(|(time, s)| time * factor(*s)).collect();
            let readings: Vec<f64> = slowed.iter().map(|s| if *s { 19.0 } else { 10.9 }).collect();
            assert_eq!(disturbed(&readings), slowed);
            let quiet: Vec<f64> =
                samples.iter().zip(&slowed).filter(|(_, slowed)| !**slowed).map(|(time, _)| *time).collect();
            let (low, high) = median_interval(&quiet).unwrap();
            covered += usize::from(low <= 1.0 && 1.0 <= high);
            assert!((median(&quiet).unwrap() - 1.0).abs() < 0.02);
        }
        assert!(covered >= 182, "{covered} of 200 intervals, at 95 % less three standard deviations");
    }
}
