//! Detection of samples before the steady state.

use super::median::{median, quantile};

/// At most one sample in this many is warm-up.
const WARMUP_DIVISOR: usize = 3;

/// Distance of the outer fence from the upper quartile, in interquartile ranges.
const FAR_OUT: f64 = 3.0;

/// Minimum ratio of a warm-up sample to the median. A smaller excess does not matter, however narrow the
/// quartiles are.
const MIN_EXCESS: f64 = 1.01;

/// The number of samples at the start that are warm-up. They are to be labelled and kept.
///
/// `seconds` are times, in the order taken. The last two thirds are the reference. Warm-up is the unbroken
/// run of first samples that each lie above its upper outer fence (upper quartile plus three interquartile
/// ranges; Tukey, "Exploratory Data Analysis", 1977, section 2D) and 1 % above its median. A slow sample in
/// the middle is therefore not warm-up, nor is noise. Only slower samples count, because startup takes longer
/// (Georges et al., OOPSLA 2007). Georges et al. and Kalibera & Jones (ISMM 2013) compare with a steady
/// window for the same reason. MSER-5 (White, Cobb & Spratt, WSC 2000) compares means, so a single outlier
/// could move the end of the warm-up. At most a third of the samples is warm-up. With fewer than six samples,
/// the result is 0.
pub fn warmup_length(seconds: &[f64]) -> usize {
    let (first, rest) = seconds.split_at(seconds.len() / WARMUP_DIVISOR);
    let fence = if first.len() < 2 { None } else { upper_fence(rest) };
    fence.map_or(0, |fence| first.iter().take_while(|&&time| time > fence).count())
}

fn upper_fence(values: &[f64]) -> Option<f64> {
    let (q1, q3) = (quantile(values, 0.25)?, quantile(values, 0.75)?);
    Some((q3 + FAR_OUT * (q3 - q1)).max(MIN_EXCESS * median(values)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn slow_first_samples_are_found() {
        assert_eq!(warmup_length(&[9.0, 1.0, 1.1, 1.0, 0.9, 1.0, 1.1, 1.0, 1.0, 0.9]), 1);
        assert_eq!(warmup_length(&[9.0, 5.0, 2.0, 1.0, 0.9, 1.0, 1.1, 1.0, 1.0, 0.9]), 3);
    }

    #[test]
    fn warmup_is_at_most_a_third_of_the_samples() {
        assert_eq!(warmup_length(&[9.0, 9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), 3);
        assert_eq!(warmup_length(&[9.0, 1.0, 1.0, 1.0, 1.0]), 0);
        assert_eq!(warmup_length(&[]), 0);
    }

    #[test]
    fn a_slow_middle_a_fast_start_and_half_a_percent_are_not_warmup() {
        // A slow sample in the middle, a fast first one, and 0.5 % on a clock without noise.
        assert_eq!(warmup_length(&[1.0, 9.0, 1.1, 1.0, 0.9, 1.0, 1.1, 1.0, 1.0, 0.9]), 0);
        assert_eq!(warmup_length(&[0.1, 1.0, 1.1, 1.0, 0.9, 1.0, 1.1, 1.0, 1.0, 0.9]), 0);
        assert_eq!(warmup_length(&[1.005, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), 0);
    }

    /// Steady, skewed samples with 5 % noise: the first is called warm-up in less than 3 % of the runs.
    #[test]
    fn steady_runs_have_no_warmup() {
        let mut random = Random::new(3);
        for n in [10, 15, 33] {
            let count = (0..2_000).filter(|_| warmup_length(&random.lognormal(n, 1.0, 0.05)) > 0).count();
            println!("n = {n}: warm-up in {count} of 2000 steady runs");
            assert!(count < 60, "n = {n}: {count} of 2000");
        }
    }

    #[test]
    fn a_first_sample_slower_by_half_is_found_in_noise() {
        let mut random = Random::new(4);
        let found = |random: &mut Random| {
            let mut seconds = random.lognormal(10, 1.0, 0.05);
            seconds[0] *= 1.5;
            warmup_length(&seconds) == 1
        };
        let count = (0..1_000).filter(|_| found(&mut random)).count();
        assert!(count > 900, "{count} of 1000");
    }

    #[test]
    fn six_samples_are_the_fewest_with_a_warm_up_and_one_percent_is_none() {
        assert_eq!(warmup_length(&[9.0, 2.0, 2.0, 2.0, 2.0, 2.0]), 1);
        assert_eq!(warmup_length(&[9.0, 2.0, 2.0, 2.0, 2.0]), 0);
        assert_eq!(warmup_length(&[2.01, 2.0, 2.0, 2.0, 2.0, 2.0]), 0);
        assert_eq!(warmup_length(&[2.03, 2.0, 2.0, 2.0, 2.0, 2.0]), 1);
    }
}
