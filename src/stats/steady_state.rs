//! Steady state of a device under writes.

/// Number of rounds that are examined together.
const WINDOW: usize = 5;
/// Most difference of the values of a window, as a fraction of their mean.
const MOST_RANGE: f64 = 0.2;
/// Most change of their regression line over the window, as a fraction of their mean.
const MOST_SLOPE: f64 = 0.1;

/// The first of the first five `rounds` in steady state, each with its bandwidth or its I/Os per second.
/// `None` if there are no such five.
///
/// SNIA, Solid State Storage Performance Test Specification (PTS) v2.0.1, 2018, definition of steady state:
/// the range of the five values is at most 20 % of their mean, and their least squares line changes by at
/// most 10 % of it.
pub fn steady_from(rounds: &[f64]) -> Option<usize> {
    rounds.windows(WINDOW).position(is_steady)
}

fn is_steady(window: &[f64]) -> bool {
    let count = window.len() as f64;
    let mean = window.iter().sum::<f64>() / count;
    let (least, most) =
        window.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (value.min(least), value.max(most)));
    let centre = (count - 1.0) / 2.0;
    let distances = || (0..window.len()).map(|index| index as f64 - centre);
    let covariance: f64 = distances().zip(window).map(|(distance, value)| distance * value).sum();
    let slope = covariance / distances().map(|distance| distance * distance).sum::<f64>();
    let change = (slope * (count - 1.0)).abs();
    most - least <= MOST_RANGE * mean && change <= MOST_SLOPE * mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_device_is_steady_once_five_rounds_are_level() {
        let fresh = [900.0, 700.0, 500.0, 400.0, 330.0, 310.0, 300.0, 305.0, 298.0, 301.0, 299.0];
        assert_eq!(steady_from(&fresh), Some(4), "330 to 298: a range of 10 % and a slope of 9 %");
        assert_eq!(steady_from(&fresh[..8]), None, "400 to 305: a range of 30 %");
        assert_eq!(steady_from(&[300.0; 4]), None);
        assert_eq!(steady_from(&[300.0; 5]), Some(0));
    }

    #[test]
    fn both_the_range_and_the_slope_count() {
        // The mean is 100. Without a slope, the range may be 20.
        assert_eq!(steady_from(&[100.0, 110.0, 90.0, 100.0, 100.0]), Some(0));
        assert_eq!(steady_from(&[100.0, 111.0, 90.0, 99.0, 100.0]), None, "a range of 21 %");
        // A line from 94 to 106 changes by 12 %, within a range of 12 %.
        assert_eq!(steady_from(&[94.0, 97.0, 100.0, 103.0, 106.0]), None);
        assert_eq!(steady_from(&[95.5, 97.5, 100.0, 102.5, 104.5]), Some(0));
    }
}
