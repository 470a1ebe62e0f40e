//! Statistics of samples: pure functions on slices, each citing its source.

mod median;

pub use median::{median, median_interval, median_interval_ranks, quantile};
