//! Properties that hold for any input: offsets, statistics and documents. Those of sizes and times are beside
//! their parsers in src/units.rs.

use std::collections::BTreeSet;
use std::path::Path;

use iobench::engine::access::Access;
use iobench::engine::offsets::Offsets;
use iobench::report::read::{ResultFile, read};
use iobench::report::sweep::SweepDocument;
use iobench::stats::{self, CostPoint, CurvePoint, Decision, Resampling};
use iobench::strategies::ALL;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::common::Filesystem;

const FEW: Resampling = Resampling { resamples: 50, seed: 1, confidence: 0.95 };

fn settings() -> ProptestConfig {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/properties.regressions");
    let failure_persistence = Some(Box::new(FileFailurePersistence::Direct(file)) as _);
    ProptestConfig { cases: 100, failure_persistence, ..ProptestConfig::default() }
}

fn listed(offsets: &Offsets) -> Vec<u64> {
    match offsets {
        Offsets::Sequential(run) => run.iter().collect(),
        Offsets::Listed(list) => list.clone(),
    }
}

/// Positive times over many orders of magnitude.
fn times(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-9.0..3.0_f64).prop_map(|power| 10.0_f64.powf(power)), count)
}

fn shuffled(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    iobench::random::Random::new(7).shuffle(&mut values);
    values
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn offsets_visit_each_block_once(blocks in 1..2000_u64, block_bytes in 1..1_000_000_u64, seed: u64) {
        let offsets = |access, seed| listed(&Offsets::cover(access, blocks * block_bytes, block_bytes, seed));
        let expected: Vec<u64> = (0..blocks).map(|block| block * block_bytes).collect();
        prop_assert_eq!(&offsets(Access::Sequential, seed), &expected);
        let random = offsets(Access::Random, seed);
        prop_assert_eq!(&random, &offsets(Access::Random, seed), "the seed decides");
        let ascending: BTreeSet<u64> = random.into_iter().collect();
        prop_assert_eq!(ascending.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn medians_and_quantiles_lie_within_the_values(values in times(1..60), q in 0.0..=1.0_f64) {
        let (least, most) = (stats::quantile(&values, 0.0).unwrap(), stats::quantile(&values, 1.0).unwrap());
        let quantile = stats::quantile(&values, q).unwrap();
        prop_assert!(least <= quantile && quantile <= most);
        let median = stats::median(&values).unwrap();
        prop_assert_eq!(Some(median), stats::median(&shuffled(&values)));
        match stats::median_interval(&values) {
            Some((low, high)) => prop_assert!(low <= median && median <= high && values.len() > 5),
            None => prop_assert!(values.len() <= 5),
        }
    }

    #[test]
    fn ratios_are_inverse_and_without_a_unit(old in times(1..30), new in times(1..30)) {
        let ratio = stats::ratio_of_medians(&old, &new, &FEW).unwrap();
        let inverse = stats::ratio_of_medians(&new, &old, &FEW).unwrap();
        prop_assert!((ratio.ratio * inverse.ratio - 1.0).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&ratio.p_value));
        prop_assert!((ratio.p_value - inverse.p_value).abs() < 1e-9, "two-sided");
        let scale = |values: &[f64]| values.iter().map(|value| value * 1024.0).collect::<Vec<f64>>();
        let scaled = stats::ratio_of_medians(&scale(&old), &scale(&new), &FEW).unwrap();
        prop_assert!((scaled.ratio / ratio.ratio - 1.0).abs() < 1e-9);
        if let Some((low, high)) = ratio.interval {
            prop_assert!(low <= high && low > 0.0 && high.is_finite());
        }
    }

    #[test]
    fn the_stopping_rule_ends(samples in times(0..80), precision in 0.0..0.5_f64, largest_n in 1..80_usize) {
        let mut next_look = stats::FIRST_LOOK;
        for n in 0..=samples.len() {
            match stats::decide(&samples[..n], next_look, precision, largest_n) {
                Decision::Continue { until_n } => {
                    prop_assert!(n < largest_n && until_n > n && until_n <= largest_n);
                    next_look = until_n;
                }
                Decision::Precise => prop_assert!(stats::precise(&samples[..n], precision)),
                Decision::LargestN => prop_assert!(n >= largest_n),
            }
        }
    }

    #[test]
    fn warm_up_is_at_most_a_third(samples in times(0..60)) {
        prop_assert!(stats::warmup_length(&samples) <= samples.len() / 3);
        prop_assert_eq!(stats::disturbed(&samples, None).len(), samples.len());
    }

    #[test]
    fn models_and_knees_of_any_curve_are_finite(curve in prop::collection::vec(times(0..8), 0..12)) {
        let cost_points = curve.iter().zip(0_u32..).map(|(seconds, power)| CostPoint {
            calls: 1 << (12 - power),
            bytes: 1 << 20,
            seconds,
        });
        if let Some(fit) = stats::fit_cost_model(&cost_points.collect::<Vec<_>>(), &FEW, &|| false) {
            for estimate in [fit.per_call_seconds, fit.per_byte_seconds] {
                prop_assert!(estimate.value >= 0.0 && estimate.value.is_finite());
                prop_assert!(estimate.low <= estimate.high);
            }
        }
        let points = curve.iter().zip(0_u32..).map(|(bandwidths, power)| CurvePoint {
            block_bytes: 1 << power,
            bandwidths,
        });
        for knee in stats::find_knees(&points.collect::<Vec<_>>(), &FEW, &|| false).unwrap_or_default() {
            prop_assert!(knee.block_bytes.value.is_finite() && knee.block_bytes.low <= knee.block_bytes.high);
        }
    }

    #[test]
    fn a_document_reads_back_as_it_was_written(
        times in times(1..10),
        path in ".{0,40}",
        block_bytes in 1..u64::MAX,
        seed: u64,
    ) {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sweep.json");
        let ResultFile::Sweep(mut sweep) = read(Path::new(fixture), u64::MAX, ALL).unwrap() else { panic!() };
        sweep.sweep_configuration.seed = seed;
        sweep.sweep_configuration.path = path;
        let run = &mut sweep.runs[0];
        run.benchmark_configuration.buffersize = block_bytes;
        for (sample, time) in run.benchmark_samples.iter_mut().zip(&times) {
            sample.time = *time;
        }
        let text = serde_json::to_string(&sweep).unwrap();
        let again: SweepDocument = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), text.clone());
        let scratch = Filesystem::scratch();
        let kept = scratch.folder().join("kept.json");
        std::fs::write(&kept, &text).unwrap();
        let ResultFile::Sweep(kept) = read(&kept, u64::MAX, ALL).unwrap() else { panic!() };
        prop_assert_eq!(serde_json::to_string(&kept).unwrap(), text);
    }
}
