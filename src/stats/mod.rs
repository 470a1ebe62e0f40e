//! Statistics of samples: pure functions on slices, each citing its source.

mod bootstrap;
mod comparison;
mod median;
mod multiple;
mod random;
mod rank_tests;
mod ranks;

pub use bootstrap::{Estimate, Resampling, bootstrap_interval};
pub use comparison::{Ratio, Verdict, paired_ratio, ratio_of_medians, verdicts};
pub use median::{median, median_interval, median_interval_ranks, quantile};
pub use multiple::holm;
pub use random::Random;
pub use rank_tests::{mann_whitney_p, signed_rank_p};
