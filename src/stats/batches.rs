//! Medians of batches of consecutive samples.
//!
//! Consecutive samples are correlated: whatever slows the machine for a while slows several samples in a row.
//! Tests and intervals that assume independent samples are then too optimistic. The classical remedy is to
//! divide the series into batches that are long enough to be nearly independent: Law, "Simulation Modeling
//! and Analysis", 5th edition 2015, section 9.5.3 (batch means). This module takes medians instead of means,
//! because one disturbed sample hardly moves the median of its batch.

use super::median::median;

/// Number of batches. Ten are enough for an interval and a test, and more would each be shorter: Schmeiser,
/// "Batch size effects in the analysis of simulation output", Operations Research 30(3), 1982, finds little
/// gain beyond 10 to 30.
const BATCHES: usize = 10;

/// The medians of ten batches of consecutive `samples`, of nearly equal length. Fewer than twenty samples are
/// returned unchanged: each is its own batch.
pub fn batch_medians(samples: &[f64]) -> Vec<f64> {
    if samples.len() < 2 * BATCHES {
        return samples.to_vec();
    }
    let start = |batch: usize| batch * samples.len() / BATCHES;
    (0..BATCHES).filter_map(|batch| median(&samples[start(batch)..start(batch + 1)])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::median::median_interval;
    use super::*;
    use crate::random::Random;

    #[test]
    fn few_samples_are_returned_unchanged() {
        let samples: Vec<f64> = (0..19).map(f64::from).collect();
        assert_eq!(batch_medians(&samples), samples);
        assert_eq!(batch_medians(&[]), Vec::<f64>::new());
    }

    #[test]
    fn every_sample_is_in_one_batch() {
        let samples: Vec<f64> = (0..30).map(f64::from).collect();
        assert_eq!(batch_medians(&samples), [1., 4., 7., 10., 13., 16., 19., 22., 25., 28.]);
        // 25 samples: batches of two and three alternate.
        let samples: Vec<f64> = (0..25).map(f64::from).collect();
        assert_eq!(batch_medians(&samples), [0.5, 3., 5.5, 8., 10.5, 13., 15.5, 18., 20.5, 23.]);
    }

    /// Samples of an autoregressive process with a coefficient of 0.8: each keeps most of the one before. An
    /// interval that assumes independent samples misses their median far too often.
    #[test]
    fn interval_of_batches_covers_the_median_of_correlated_samples() {
        let mut random = Random::new(31);
        let mut covered = (0, 0);
        for _ in 0..400 {
            let mut value = random.normal() / 0.6;
            let mut next = || {
                value = 0.8 * value + random.normal();
                value
            };
            let samples: Vec<f64> = (0..400).map(|_| next()).collect();
            let covers = |(low, high): (f64, f64)| usize::from(low <= 0.0 && 0.0 <= high);
            covered.0 += median_interval(&samples).map_or(0, covers);
            covered.1 += median_interval(&batch_medians(&samples)).map_or(0, covers);
        }
        println!("coverage of samples: {} of 400; of batches: {} of 400", covered.0, covered.1);
        assert!(covered.0 < 300, "{covered:?}");
        assert!(covered.1 >= 370, "{covered:?}");
    }

    #[test]
    fn twenty_samples_are_the_fewest_that_form_batches() {
        let samples: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(batch_medians(&samples).len(), 10);
        assert_eq!(batch_medians(&samples[..19]).len(), 19);
    }
}
