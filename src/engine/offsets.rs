//! Offsets of the blocks of a pass: computed, or a list laid out before the bracket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::random::Random;

/// The order in which a pass visits the blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// From the first to the last.
    Sequential,
    /// Every block once, in a random order.
    Random,
}

/// Byte offsets of the blocks of a pass, in order.
#[derive(Debug, Clone)]
pub enum Offsets {
    /// Blocks that follow each other.
    Sequential(Run),
    /// Precomputed offsets.
    Listed(Vec<u64>),
}

/// `blocks` blocks of `block_bytes` bytes from `first_bytes` on.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    first_bytes: u64,
    block_bytes: u64,
    blocks: u64,
}

impl Run {
    /// The offsets of the run.
    pub fn iter(self) -> impl Iterator<Item = u64> {
        (0..self.blocks).map(move |index| self.first_bytes + index * self.block_bytes)
    }
}

impl Offsets {
    /// The offsets, for a loop that is compiled once for both kinds.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let blocks = match self {
            Offsets::Sequential(run) => run.blocks,
            Offsets::Listed(list) => list.len() as u64,
        };
        (0..blocks).map(move |index| match self {
            Offsets::Sequential(run) => run.first_bytes + index * run.block_bytes,
            Offsets::Listed(list) => list[index as usize],
        })
    }

    /// All blocks of the first `total_bytes` bytes; `seed` decides a random order.
    ///
    /// A random order is a permutation (Fisher-Yates over SplitMix64, with Lemire's multiply-shift for the
    /// range). Drawing with replacement would leave a third of the blocks unvisited.
    pub fn cover(access: Access, total_bytes: u64, block_bytes: u64, seed: u64) -> Offsets {
        let blocks = total_bytes / block_bytes;
        let run = Run { first_bytes: 0, block_bytes, blocks };
        match access {
            Access::Sequential => Offsets::Sequential(run),
            Access::Random => {
                let mut offsets: Vec<u64> = run.iter().collect();
                Random::new(seed).shuffle(&mut offsets);
                Offsets::Listed(offsets)
            }
        }
    }

    /// `blocks` blocks of `block_bytes` bytes from byte `first_bytes` on.
    pub fn run(first_bytes: u64, block_bytes: u64, blocks: u64) -> Offsets {
        Offsets::Sequential(Run { first_bytes, block_bytes, blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(offsets: &Offsets) -> Vec<u64> {
        offsets.iter().collect()
    }

    #[test]
    fn sequential_offsets_follow_each_other() {
        assert_eq!(listed(&Offsets::cover(Access::Sequential, 40, 10, 0)), [0, 10, 20, 30]);
        assert_eq!(listed(&Offsets::run(30, 10, 2)), [30, 40]);
    }

    #[test]
    fn random_offsets_visit_every_block_once_and_a_seed_repeats_them() {
        let order = listed(&Offsets::cover(Access::Random, 1 << 16, 16, 7));
        assert_eq!(order, listed(&Offsets::cover(Access::Random, 1 << 16, 16, 7)));
        assert_ne!(order, listed(&Offsets::cover(Access::Random, 1 << 16, 16, 8)));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, listed(&Offsets::cover(Access::Sequential, 1 << 16, 16, 7)));
        assert_ne!(order, sorted);
    }
}
