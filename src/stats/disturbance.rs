//! Detection of samples that were taken while the processor was slowed by something else.

use super::median::quantile;

/// Fraction of the readings that must be undisturbed; with fewer, the undisturbed speed is unknown. The
/// fraction is small because the processor of a busy shared machine may be undisturbed for only a tenth of
/// the time.
const QUIET_SHARE: f64 = 0.05;

/// A reading this many times as long as an undisturbed one is not noise: a busy hardware thread on the same
/// core makes it longer by half or more.
const EXCESS: f64 = 1.1;

/// A reading this many times as long as at the nominal frequency is not noise of the clock.
const NOMINAL_EXCESS: f64 = 1.03;

/// For each of `readings`, true if the processor was slowed during it. Readings are times of the same work in
/// any unit, and `nominal` is its time at the nominal frequency of the processor, if that is known.
///
/// The fastest twentieth of the readings shows the undisturbed speed of the processor; a reading that takes a
/// tenth longer is disturbed. A processor that is slowed all the time looks undisturbed by that rule, so a
/// reading that takes longer than at the nominal frequency is also disturbed. A reading times reference work,
/// which is separate from the sample. Samples are therefore classified by a covariate, and never by their own
/// value. If the disturbance does not depend on what is measured, the median of the other samples is that of
/// an undisturbed processor: see [`self_inflicted`].
pub fn disturbed(readings: &[f64], nominal: Option<f64>) -> Vec<bool> {
    let limit = quantile(readings, QUIET_SHARE).map_or(f64::INFINITY, |quiet| EXCESS * quiet);
    let limit = nominal.map_or(limit, |nominal| limit.min(NOMINAL_EXCESS * nominal));
    readings.iter().map(|&reading| reading > limit).collect()
}

/// True if the samples of one point are disturbed so much more often than `all` that the point itself may be
/// the cause: the fraction of undisturbed samples is less than half of that of all samples.
///
/// An I/O path that sleeps lowers the clock of the processor, and one that makes the kernel work in the
/// background leaves that work behind. Both are part of the path and not a disturbance.
pub fn self_inflicted(point: &[bool], all: &[bool]) -> bool {
    let quiet = |slowed: &[bool]| {
        let count = slowed.iter().filter(|slowed| !**slowed).count();
        count as f64 / slowed.len().max(1) as f64
    };
    quiet(point) < quiet(all) / 2.0
}

/// True if some of `readings` are undisturbed, but less than a twentieth: no reading can then be classified
/// as disturbed.
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
    fn a_reading_a_tenth_longer_than_the_fastest_is_disturbed() {
        let readings = [10.0, 10.1, 20.0, 10.05, 10.9, 11.2, 19.0, 10.0];
        assert_eq!(disturbed(&readings, None), [false, false, true, false, false, true, true, false]);
        assert_eq!(disturbed(&[], None), [false; 0]);
        assert_eq!(disturbed(&[7.0], None), [false]);
    }

    /// The loop of 40,000 turns takes 15.38 us at 2.6 GHz, 10.87 us alone and 16.3 us beside a busy hardware
    /// thread.
    #[test]
    fn a_processor_that_is_slowed_all_the_time_is_slower_than_its_nominal_frequency() {
        assert_eq!(disturbed(&[16.3; 30], None), [false; 30]);
        assert_eq!(disturbed(&[16.3; 30], Some(15.38)), [true; 30]);
        assert_eq!(disturbed(&[15.4; 30], Some(15.38)), [false; 30]);
        assert_eq!(disturbed(&[10.87, 12.5], Some(15.38)), [false, true], "the stricter rule counts");
    }

    #[test]
    fn few_undisturbed_readings_classify_no_reading_as_disturbed() {
        let mut readings = vec![20.0; 97];
        readings.extend([10.0; 3]);
        assert!(disturbed(&readings, None).iter().all(|disturbed| !disturbed));
        assert!(hardly_left_alone(&readings));
        readings.extend([10.0; 7]);
        assert!(!hardly_left_alone(&readings));
        assert!(!hardly_left_alone(&[]));
    }

    #[test]
    fn a_point_that_is_disturbed_more_than_all_others_disturbs_itself() {
        let all: Vec<bool> = (0..100).map(|index| index % 2 == 0).collect();
        assert!(self_inflicted(&[true; 10], &all));
        assert!(!self_inflicted(&all[..11], &all));
        assert!(self_inflicted(&[true, true, true, true, false], &all));
        assert!(!self_inflicted(&[true, true, true, false], &all));
        assert!(!self_inflicted(&[], &[]));
    }

    /// Another load comes and goes and makes samples take 1.4 times as long. It is present half of the time,
    /// so the median of all samples may lie anywhere in between; the median of the undisturbed samples is the
    /// true one.
    #[test]
    fn the_median_of_undisturbed_samples_is_that_of_a_quiet_machine() {
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
            let labels = disturbed(&readings, None);
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

    #[test]
    fn a_tenth_is_a_fraction_of_the_undisturbed_reading() {
        let mut readings = vec![100.0; 30];
        readings[7] = 109.0;
        readings[8] = 111.0;
        let slowed: Vec<usize> = (0..30).filter(|index| disturbed(&readings, None)[*index]).collect();
        assert_eq!(slowed, [8]);
        // One reading in a hundred is undisturbed.
        let alone = |others: f64| hardly_left_alone(&[&[100.0][..], &[others; 99]].concat());
        assert!(!alone(109.0) && alone(111.0));
    }
}
