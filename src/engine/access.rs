//! The orders in which a pass can visit the blocks of a file (`--access`).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::random::Random;
use crate::units;

/// The order in which a pass visits the blocks of a file. All but the last two visit every block once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub enum Access {
    /// `sequential`: from the first to the last.
    Sequential,
    /// `backward`: from the last to the first.
    Backward,
    /// `stride:SIZE`: every SIZE bytes, again and again, each time one block further.
    Stride {
        /// Distance of two blocks, in bytes.
        bytes: u64,
    },
    /// `random`: in a random order.
    Random,
    /// `random:SIZE`: runs of SIZE bytes in a random order.
    RandomRuns {
        /// Length of a run, in bytes.
        bytes: u64,
    },
    /// `uniform`: drawn with replacement, all with the same probability.
    Uniform,
    /// `zipf:THETA`: drawn with replacement, the block of rank r with a probability proportional to
    /// r^-THETA. The ranks are in a random order.
    Zipf {
        /// THETA in thousandths.
        theta_thousandths: u32,
    },
}

impl Access {
    /// True if each block follows the one before.
    pub fn is_sequential(self) -> bool {
        self == Access::Sequential
    }

    /// True if laying out the order takes a second list of its length.
    pub(crate) fn needs_a_table(self) -> bool {
        matches!(self, Access::Zipf { .. })
    }

    /// Checks the size in the order against that of the blocks.
    ///
    /// # Errors
    /// A usage error.
    pub fn check(self, block_bytes: u64) -> Result<(), Error> {
        match self {
            Access::Stride { bytes } | Access::RandomRuns { bytes } if !bytes.is_multiple_of(block_bytes) => {
                Err(Error::usage(format!(
                    "--access {self}: the size is not a multiple of the buffer size ({block_bytes}); use \
                     such a multiple, or another -b"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Numbers of the blocks in this order, as many as there are blocks. `seed` decides what is random.
    ///
    /// A random order is a permutation (Fisher-Yates over SplitMix64, with Lemire's multiply-shift for the
    /// range). Drawing with replacement leaves a third of the blocks unvisited, so it has names of its own.
    pub(super) fn order(self, blocks: u64, block_bytes: u64, seed: u64) -> Vec<u64> {
        let mut random = Random::new(seed);
        match self {
            Access::Sequential => (0..blocks).collect(),
            Access::Backward => (0..blocks).rev().collect(),
            Access::Stride { bytes } => {
                let stride = (bytes / block_bytes).clamp(1, blocks.max(1));
                (0..stride).flat_map(|first| (first..blocks).step_by(stride as usize)).collect()
            }
            Access::Random => shuffled(blocks, &mut random),
            Access::RandomRuns { bytes } => {
                let run_blocks = (bytes / block_bytes).max(1);
                let runs = shuffled(blocks.div_ceil(run_blocks), &mut random).into_iter();
                runs.flat_map(|run| run * run_blocks..((run + 1) * run_blocks).min(blocks)).collect()
            }
            Access::Uniform => (0..blocks).map(|_| random.below(blocks as usize) as u64).collect(),
            Access::Zipf { theta_thousandths } => {
                zipf(blocks, f64::from(theta_thousandths) / 1000.0, &mut random)
            }
        }
    }
}

fn shuffled(count: u64, random: &mut Random) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..count).collect();
    random.shuffle(&mut numbers);
    numbers
}

/// Draws of the Zipf distribution, by inversion of its cumulative distribution function. The ranks are
/// shuffled, because popular blocks rarely lie side by side (YCSB's "scrambled" Zipfian: Cooper et al., SoCC
/// 2010, section 4.1).
fn zipf(blocks: u64, theta: f64, random: &mut Random) -> Vec<u64> {
    let block_of_rank = shuffled(blocks, random);
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=blocks)
        .map(|rank| {
            sum += (rank as f64).powf(-theta);
            sum
        })
        .collect();
    let draw = |_| {
        let point = random.uniform() * sum;
        // The last rank takes what rounding leaves above the sum.
        let rank = cumulative.partition_point(|upto| *upto <= point).min(block_of_rank.len() - 1);
        block_of_rank[rank]
    };
    (0..blocks).map(draw).collect()
}

const FORMS: &str = "sequential, backward, stride:SIZE, random, random:SIZE, uniform or zipf:THETA with a \
                     THETA from 0.001 to 10";

impl FromStr for Access {
    type Err = String;

    fn from_str(text: &str) -> Result<Access, String> {
        let unknown = || format!("'{text}' is not an order; use {FORMS}");
        match text.split_once(':') {
            None => match text {
                "sequential" => Ok(Access::Sequential),
                "backward" => Ok(Access::Backward),
                "random" => Ok(Access::Random),
                "uniform" => Ok(Access::Uniform),
                _ => Err(unknown()),
            },
            Some(("stride", size)) => Ok(Access::Stride { bytes: units::parse_size(size)? }),
            Some(("random", size)) => Ok(Access::RandomRuns { bytes: units::parse_size(size)? }),
            Some(("zipf", theta)) => {
                let theta = theta.parse::<f64>().ok().filter(|theta| (0.001..=10.0).contains(theta));
                let theta_thousandths = (theta.ok_or_else(unknown)? * 1000.0).round() as u32;
                Ok(Access::Zipf { theta_thousandths })
            }
            Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Sequential => write!(f, "sequential"),
            Access::Backward => write!(f, "backward"),
            Access::Stride { bytes } => write!(f, "stride:{bytes}"),
            Access::Random => write!(f, "random"),
            Access::RandomRuns { bytes } => write!(f, "random:{bytes}"),
            Access::Uniform => write!(f, "uniform"),
            Access::Zipf { theta_thousandths } => {
                write!(f, "zipf:{}", f64::from(*theta_thousandths) / 1000.0)
            }
        }
    }
}

impl From<Access> for String {
    fn from(access: Access) -> String {
        access.to_string()
    }
}

impl TryFrom<String> for Access {
    type Error = String;

    fn try_from(text: String) -> Result<Access, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(access: &str, blocks: u64) -> Vec<u64> {
        access.parse::<Access>().unwrap().order(blocks, 10, 7)
    }

    #[test]
    fn orders_are_what_their_names_say() {
        assert_eq!(order("sequential", 4), [0, 1, 2, 3]);
        assert_eq!(order("backward", 4), [3, 2, 1, 0]);
        assert_eq!(order("stride:30", 7), [0, 3, 6, 1, 4, 2, 5]);
        assert_eq!(order("stride:1k", 3), [0, 1, 2], "one block further each time");
        let runs = order("random:30", 10);
        assert_eq!(runs.len(), 10);
        let breaks = runs.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        assert!(breaks <= 3, "{runs:?}");
    }

    #[test]
    fn permutations_visit_every_block_once() {
        for access in ["sequential", "backward", "stride:70", "random", "random:30"] {
            let mut visited = order(access, 1000);
            visited.sort_unstable();
            assert_eq!(visited, (0..1000).collect::<Vec<_>>(), "{access}");
        }
    }

    /// Chi-square statistic of the number of draws in each group.
    fn chi_square(seen: &[f64], expected: &[f64]) -> f64 {
        seen.iter().zip(expected).map(|(seen, expected)| (seen - expected).powi(2) / expected).sum()
    }

    /// The 99.9 % quantile of the chi-square distribution, by Wilson and Hilferty's approximation (PNAS
    /// 17(12), 1931).
    fn quantile(degrees: f64) -> f64 {
        let part = 2.0 / (9.0 * degrees);
        degrees * (1.0 - part + 3.090 * part.sqrt()).powi(3)
    }

    #[test]
    fn uniform_draws_pass_a_chi_square_test() {
        let blocks = 100_000;
        let mut seen = [0.0; 100];
        for block in order("uniform", blocks) {
            seen[block as usize / 1000] += 1.0;
        }
        let statistic = chi_square(&seen, &[1000.0; 100]);
        assert!(statistic < quantile(99.0), "{statistic}");
        assert!((quantile(99.0) - 148.2).abs() < 0.5, "the quantile of tables");
    }

    #[test]
    fn zipf_draws_pass_a_chi_square_test() {
        for theta in [0.5, 0.99, 1.2] {
            let blocks = 20_000_u64;
            let access = Access::Zipf { theta_thousandths: (theta * 1000.0) as u32 };
            let drawn = access.order(blocks, 10, 11);
            let rank_of_block = {
                let order = shuffled(blocks, &mut Random::new(11));
                let mut ranks = vec![0; blocks as usize];
                order.iter().enumerate().for_each(|(rank, block)| ranks[*block as usize] = rank);
                ranks
            };
            // Ranks in groups that double, so every group has enough draws.
            let group = |rank: usize| (rank + 1).ilog2() as usize;
            let mut seen = vec![0.0; group(blocks as usize - 1) + 1];
            drawn.iter().for_each(|block| seen[group(rank_of_block[*block as usize])] += 1.0);
            let mut expected = vec![0.0; seen.len()];
            let total: f64 = (1..=blocks).map(|rank| (rank as f64).powf(-theta)).sum();
            for rank in 0..blocks as usize {
                expected[group(rank)] += blocks as f64 * ((rank + 1) as f64).powf(-theta) / total;
            }
            let statistic = chi_square(&seen, &expected);
            assert!(
                statistic < quantile(seen.len() as f64 - 1.0),
                "{theta}: {statistic} {seen:?} {expected:?}"
            );
        }
    }

    #[test]
    fn text_and_json_are_the_same_words() {
        for text in
            ["sequential", "backward", "stride:65536", "random", "random:4096", "uniform", "zipf:0.99"]
        {
            let access: Access = text.parse().unwrap();
            assert_eq!(access.to_string(), text);
            assert_eq!(serde_json::to_string(&access).unwrap(), format!("\"{text}\""));
        }
        assert_eq!("stride:64k".parse(), Ok(Access::Stride { bytes: 65536 }));
        for wrong in
            ["", "Random", "stride", "stride:", "stride:0", "zipf:0", "zipf:x", "zipf:99", "uniform:1"]
        {
            assert!(wrong.parse::<Access>().is_err(), "{wrong}");
        }
    }
}
