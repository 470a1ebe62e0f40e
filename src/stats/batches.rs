//! Batches of samples that were taken one after the other.
//!
//! Neighbours in time resemble each other: whatever slows the machine for a while slows several in a
//! row. Tests and intervals that take them for independent promise too much. The classical remedy are
//! batches long enough to differ as batches do: Law, "Simulation Modeling and Analysis", 5th
//! edition 2015, section 9.5.3 (batch means); here medians, as one disturbed sample is none of the batch.

use super::median::median;

/// Ten batches suffice for an interval and a test, and more would only be shorter: Schmeiser, "Batch size
/// effects in the analysis of simulation output", Operations Research 30(3), 1982, finds
/// little to gain beyond 10 to 30.
const BATCHES: usize = 10;

/// The medians of ten batches of consecutive `samples`, as equal in length as may be; below twenty
/// samples each is a batch of its own.
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
    fn few_samples_are_batches_of_their_own() {
        let samples: Vec<f64> = (0..19).map(f64::from).collect();
        assert_eq!(batch_medians(&samples), samples);
        assert_eq!(batch_medians(&[]), Vec::<f64>::new());
    }

    #[test]
    fn every_sample_is_in_one_batch() {
        let samples: Vec<f64> = (0..30).map(f64::from).collect();
        assert_eq!(batch_medians(&samples), [1., 4., 7., 10., 13., 16., 19., 22., 25., 28.]);
        // 25 samples: batches of two and of three in turn.
        let samples: Vec<f64> = (0..25).map(f64::from).collect();
        assert_eq!(batch_medians(&samples), [0.5, 3., 5.5, 8., 10.5, 13., 15.5, 18., 20.5, 23.]);
    }

    /// Samples that each keep most of what the one before them had: an autoregressive process with a
    /// coefficient of 0.8. Taken for independent, their interval misses the median far too often.
    #[test]
    fn batches_cover_where_neighbours_resemble_each_other() {
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
}
