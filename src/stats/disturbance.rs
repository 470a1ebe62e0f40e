//! Which samples were taken while something else slowed the processor.

use super::median::quantile;

/// The part of the readings that a processor left alone must give: below it nobody knows how fast
/// it can be. Small, because on a busy shared machine it is left alone for a tenth of the time.
const QUIET_SHARE: f64 = 0.05;

/// A reading this much longer than those of a processor left alone is none of noise: a busy hardware
/// thread beside it makes it longer by a half or more.
const EXCESS: f64 = 1.1;

/// For each of `readings`, times of the same work in any unit, whether the processor was slowed then.
///
/// The fastest twentieth of the readings tells what the processor does when it is left alone, and one
/// is disturbed where it took a tenth longer. The readings are of work of their own, so samples are told
/// apart by a covariate and never by their own value. As far as the disturbance does not depend on what is
/// measured, the median of the rest is that of a processor left alone: see [`self_inflicted`].
pub fn disturbed(readings: &[f64]) -> Vec<bool> {
    let limit = quantile(readings, QUIET_SHARE).map_or(f64::INFINITY, |quiet| EXCESS * quiet);
    readings.iter().map(|&reading| reading > limit).collect()
}

/// Whether the samples of one point are disturbed so much more often than `all` that what is measured may
/// be the cause: less than half of the part that is quiet elsewhere.
///
/// An I/O path that sleeps leaves a slower clock behind, and one that has the kernel work elsewhere
/// leaves that work. It is part of such a path and no disturbance of it.
pub fn self_inflicted(point: &[bool], all: &[bool]) -> bool {
    let quiet = |slowed: &[bool]| {
        let count = slowed.iter().filter(|slowed| !**slowed).count();
        count as f64 / slowed.len().max(1) as f64
    };
    quiet(point) < quiet(all) / 2.0
}

/// Whether a processor was left alone for less than a twentieth of `readings`, though for some: then none of
/// them is known to be disturbed.
pub fn hardly_left_alone(readings: &[f64]) -> bool {
    let fastest = quantile(readings, 0.0).zip(quantile(readings, QUIET_SHARE));
    fastest.is_some_and(|(fastest, quiet)| quiet > EXCESS * fastest)
}

#[cfg(test)]
mod tests {
    use super::super::median::median_interval;
    use super::*;
    use crate::random::Random;

    #[test]
    fn what_exceeds_the_fastest_by_a_tenth_is_disturbed() {
        let readings = [10.0, 10.1, 20.0, 10.05, 10.9, 11.2, 19.0, 10.0];
        assert_eq!(disturbed(&readings), [false, false, true, false, false, true, true, false]);
        assert_eq!(disturbed(&[]), [false; 0]);
        assert_eq!(disturbed(&[7.0]), [false]);
    }

    #[test]
    fn a_processor_that_is_hardly_ever_left_alone_is_what_it_is() {
        let mut readings = vec![20.0; 97];
        readings.extend([10.0; 3]);
        assert!(disturbed(&readings).iter().all(|disturbed| !disturbed));
        assert!(hardly_left_alone(&readings));
        readings.extend([10.0; 7]);
        assert!(!hardly_left_alone(&readings));
        assert!(!hardly_left_alone(&[]));
    }

    #[test]
    fn a_point_that_is_slowed_wherever_it_runs_slows_itself() {
        let all: Vec<bool> = (0..100).map(|index| index % 2 == 0).collect();
        assert!(self_inflicted(&[true; 10], &all));
        assert!(!self_inflicted(&all[..11], &all));
        assert!(self_inflicted(&[true, true, true, true, false], &all));
        assert!(!self_inflicted(&[true, true, true, false], &all));
        assert!(!self_inflicted(&[], &[]));
    }

    /// A neighbour comes and goes and makes samples take 1.4 times as long: where it is there for half
    /// of the time, the median of all lies anywhere between; that of the undisturbed is the truth.
    #[test]
    fn the_median_of_the_undisturbed_is_that_of_a_quiet_machine() {
        let mut random = Random::new(31);
        let slowed: Vec<bool> = (0..60).map(|index| index / 7 % 2 == 1).collect();
        let covered = |random: &mut Random| {
            let mut times = |median: f64, excess: f64, sigma: f64| -> Vec<f64> {
                let noise = random.lognormal(slowed.len(), median, sigma);
                noise
                    .iter()
                    .zip(&slowed)
                    .map(|(time, slowed)| if *slowed { time * excess } else { *time })
                    .collect()
            };
            let (samples, readings) = (times(1.0, 1.4, 0.02), times(10.9, 1.6, 0.03));
            let labels = disturbed(&readings);
            let quiet: Vec<f64> = samples
                .iter()
                .zip(labels)
                .filter(|(_, disturbed)| !disturbed)
                .map(|(time, _)| *time)
                .collect();
            median_interval(&quiet).is_some_and(|(low, high)| low <= 1.0 && 1.0 <= high)
        };
        let count = (0..200).filter(|_| covered(&mut random)).count();
        assert!(count >= 181, "{count} of 200 intervals: 95 % less three standard deviations");
    }
}
