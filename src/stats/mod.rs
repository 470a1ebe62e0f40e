//! Statistics of samples: pure functions on slices, each citing its source.

mod autocorrelation;
mod batches;
mod bootstrap;
mod budget;
mod comparison;
mod correlation;
mod cost_model;
mod disturbance;
mod knees;
mod level_change;
mod median;
mod multiple;
mod rank_tests;
mod ranks;
mod steady_state;
mod stopping;
mod unexplained;
mod warmup;

pub use autocorrelation::series_interval;
pub use batches::batch_medians;
pub use bootstrap::{Estimate, Resampling};
pub use budget::affordable;
pub use comparison::{Ratio, Verdict, allowance, paired_ratio, ratio_of_medians, ratio_of_runs, verdicts};
pub use correlation::drift;
pub use cost_model::{CostPoint, FittedCostModel, fit_cost_model};
pub use disturbance::{disturbed, hardly_left_alone, self_inflicted};
pub use knees::{CurvePoint, FittedKnee, candidate, find_knees};
pub use median::{median, median_interval, quantile};
pub use steady_state::steady_from;
pub use stopping::{Decision, FIRST_LOOK, decide, foreseen_look, precise};
pub use unexplained::find_unexplained_knees;
pub use warmup::warmup_length;
