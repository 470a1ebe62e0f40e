//! Coverage of the intervals and errors of the knees, by simulation of the whole procedure.
//!
//!     cargo bench --bench coverage                  # a minute; fails if a required figure is missed
//!     cargo bench --bench coverage -- --small       # only that it runs
//!
//! A point is sampled until the stopping rule ends it, and its interval is compared with the true median.
//! Curves with and without a knee are searched as a sweep searches them.

#![allow(missing_docs, reason = "a program")]

use std::f64::consts::TAU;
use std::process::ExitCode;

use iobench::random::Random;
use iobench::stats::{
    CostPoint, Decision, FIRST_LOOK, Resampling, decide, find_unexplained_knees, fit_cost_model, median,
    precise, series_interval,
};

const PRECISION: f64 = 0.02;
const LARGEST_N: usize = 500;

/// A number of the standard normal distribution (Box & Muller, Annals of Mathematical Statistics 29(2),
/// 1958).
fn normal(random: &mut Random) -> f64 {
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), TAU * uniform());
    radius * angle.cos()
}

/// Kinds of series. All have a relative noise of `sigma`.
#[derive(Clone, Copy)]
enum Kind {
    Independent,
    /// Six of ten samples around 1.00, the others around 1.06.
    Bimodal,
    /// Each sample keeps this part of the one before.
    Autoregressive(f64),
    /// Two states 5 % apart with a mean dwell of twenty samples.
    TwoStates,
}

impl Kind {
    fn series(self, random: &mut Random, sigma: f64, n: usize) -> Vec<f64> {
        let (mut value, mut slow) = (normal(random), random.below(2) == 0);
        let mut next = || {
            let noise = normal(random);
            match self {
                Kind::Independent => (sigma * noise).exp(),
                Kind::Bimodal => (sigma * noise).exp() * if random.below(10) < 6 { 1.0 } else { 1.06 },
                Kind::Autoregressive(rho) => {
                    value = rho * value + (1.0 - rho * rho).sqrt() * noise;
                    (sigma * value).exp()
                }
                Kind::TwoStates => {
                    slow ^= random.below(20) == 0;
                    (sigma * noise).exp() * if slow { 1.05 } else { 1.0 }
                }
            }
        };
        (0..n).map(|_| next()).collect()
    }

    /// The median of the distribution, from a long series.
    fn true_median(self, random: &mut Random, sigma: f64) -> f64 {
        match self {
            Kind::Independent | Kind::Autoregressive(_) => 1.0,
            // The two states are equally likely.
            Kind::Bimodal | Kind::TwoStates => median(&self.series(random, sigma, 1_000_000)).unwrap_or(1.0),
        }
    }
}

/// One row: coverage at the stop, median number of samples, and share of the points that converged.
fn coverage(kind: Kind, sigma: f64, points: usize, random: &mut Random) -> (f64, usize, f64) {
    let truth = kind.true_median(random, sigma);
    let (mut covered, mut converged, mut counts) = (0, 0, Vec::new());
    for _ in 0..points {
        let all = kind.series(random, sigma, LARGEST_N);
        let (mut n, mut next_look) = (0, FIRST_LOOK);
        while let Decision::Continue { until_n } = decide(&all[..n], next_look, PRECISION, LARGEST_N) {
            (n, next_look) = (until_n, until_n);
        }
        let interval = series_interval(&all[..n]);
        covered += usize::from(interval.is_some_and(|(low, high)| low <= truth && truth <= high));
        converged += usize::from(precise(&all[..n], PRECISION));
        counts.push(n);
    }
    counts.sort_unstable();
    (covered as f64 / points as f64, counts[points / 2], converged as f64 / points as f64)
}

fn intervals(points: usize) -> bool {
    println!("{:<28} {:>9} {:>9} {:>5} {:>10}", "series, noise", "coverage", "required", "n", "converged");
    let mut random = Random::new(1);
    let mut held = true;
    let series: [(&str, Kind, &[f64], Option<f64>); 6] = [
        ("independent", Kind::Independent, &[0.01, 0.02, 0.04, 0.08], Some(0.93)),
        ("bimodal", Kind::Bimodal, &[0.01, 0.02, 0.04], Some(0.93)),
        ("AR(1), rho 0.3", Kind::Autoregressive(0.3), &[0.01, 0.02, 0.04], None),
        ("AR(1), rho 0.5", Kind::Autoregressive(0.5), &[0.01, 0.02, 0.04], Some(0.9)),
        ("AR(1), rho 0.8", Kind::Autoregressive(0.8), &[0.01, 0.02, 0.04], None),
        ("two states, dwell 20", Kind::TwoStates, &[0.01, 0.02, 0.04], None),
    ];
    for (name, kind, sigmas, required) in series {
        for sigma in sigmas {
            let (covered, n, converged) = coverage(kind, *sigma, points, &mut random);
            let wanted = required.map_or(String::new(), |share| format!("{:.0} %", 100.0 * share));
            println!(
                "{:<28} {:>7.1} % {wanted:>9} {n:>5} {:>8.0} %",
                format!("{name}, {:.0} %", 100.0 * sigma),
                100.0 * covered,
                100.0 * converged
            );
            held &= required.is_none_or(|share| covered >= share);
        }
    }
    held
}

/// Loss of bandwidth beyond the knee.
const LOSS: f64 = 1.3;

/// The medians of a sweep: 440 ns per call and 0.096 ns per byte, 2 % noise, and `factor` times the time.
fn knees(random: &mut Random, factor: impl Fn(f64) -> f64) -> Vec<f64> {
    let sizes = (0..=24).map(|power| 1_u64 << power);
    let totals = sizes.map(|bytes| (bytes, (bytes << 13).min(16 << 20)));
    let points: Vec<(u64, u64, Vec<f64>)> = totals
        .map(|(bytes, total)| {
            let calls = total / bytes;
            let seconds = calls as f64 * 440e-9 + total as f64 * 0.096e-9;
            let n = 10 + random.below(21);
            let noisy = |_| seconds * factor(bytes as f64) * (0.02 * normal(random)).exp();
            (calls, total, (0..n).map(noisy).collect())
        })
        .collect();
    let points: Vec<CostPoint> = points
        .iter()
        .map(|(calls, bytes, seconds)| CostPoint { calls: *calls, bytes: *bytes, seconds })
        .collect();
    let resampling = |resamples| Resampling { resamples, seed: 1, confidence: 0.95 };
    let fit = fit_cost_model(&points, &resampling(100), &|| false);
    let found = fit.and_then(|fit| find_unexplained_knees(&points, &fit, &resampling(200), &|| false));
    found.unwrap_or_default().iter().map(|knee| knee.block_bytes.value).collect()
}

fn curves(count: usize) -> bool {
    let mut random = Random::new(2);
    let none = (0..count).filter(|_| knees(&mut random, |_| 1.0).is_empty()).count();
    println!("{none} pure cost models of {count} have no knee (95 % required)");
    let mut held = none * 100 >= 95 * count;
    for (name, octaves) in [("at once", 0.0), ("over two octaves", 2.0)] {
        let found = (0..count).filter(|_| {
            // Between 16 KiB and 2 MiB.
            let at = (14.0 + 7.0 * random.below(1000) as f64 / 1000.0).exp2();
            let loss = |bytes: f64| {
                let beyond = (bytes / at).log2();
                let share =
                    if octaves > 0.0 { (beyond / octaves).clamp(0.0, 1.0) } else { f64::from(beyond > 0.0) };
                LOSS.powf(share)
            };
            let knees = knees(&mut random, loss);
            // A change over several sizes lies in its middle.
            let middle = at * f64::exp2(octaves / 2.0);
            knees.iter().any(|knee| (knee / middle).log2().abs() <= 1.0)
        });
        let found = found.count();
        println!("a knee of 30 % {name} found within a factor of 2: {found} of {count} (90 % required)");
        held &= found * 100 >= 90 * count;
    }
    held
}

fn main() -> ExitCode {
    let small =
        std::env::args().any(|word| word == "--small") || !std::env::args().any(|word| word == "--bench");
    let (points, sweeps) = if small { (20, 1) } else { (2000, 100) };
    let held = intervals(points) & curves(sweeps);
    if held || small { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
