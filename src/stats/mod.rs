//! Statistics of samples: pure functions on slices, each citing its source.

mod bootstrap;
mod median;
mod random;

pub use bootstrap::{Estimate, Resampling, bootstrap_interval};
pub use median::{median, median_interval, median_interval_ranks, quantile};
pub use random::Random;
