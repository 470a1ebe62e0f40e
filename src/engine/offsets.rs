//! Offsets of the blocks of a pass: computed, or a list laid out before the bracket.

use std::ops::Range;

use super::access::Access;
use crate::random;

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

impl Run {
    fn part(self, blocks: Range<u64>) -> Run {
        let first_bytes = self.first_bytes + blocks.start * self.block_bytes;
        Run { first_bytes, blocks: blocks.end - blocks.start, ..self }
    }
}

/// Number of the first block of a worker's share of `blocks` blocks.
pub(super) fn share_start(blocks: u64, workers: u32, worker: u32) -> u64 {
    let (workers, worker) = (u64::from(workers), u64::from(worker));
    blocks / workers * worker + (blocks % workers).min(worker)
}

impl Offsets {
    /// The offsets, for a loop that is compiled once for both kinds.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.blocks()).map(move |index| match self {
            Offsets::Sequential(run) => run.first_bytes + index * run.block_bytes,
            Offsets::Listed(list) => list[index as usize],
        })
    }

    /// The blocks of the first `total_bytes` bytes in the order of `access`; `seed` decides what is random.
    pub fn cover(access: Access, total_bytes: u64, block_bytes: u64, seed: u64) -> Offsets {
        let blocks = total_bytes / block_bytes;
        if access.is_sequential() {
            return Offsets::Sequential(Run { first_bytes: 0, block_bytes, blocks });
        }
        let mut offsets = access.order(blocks, block_bytes, seed);
        offsets.iter_mut().for_each(|number| *number *= block_bytes);
        Offsets::Listed(offsets)
    }

    /// The shares of `workers` workers: contiguous segments, or parts of the list. The first ones get one
    /// block more if the blocks cannot be divided evenly.
    pub fn split(self, workers: u32) -> Vec<Offsets> {
        let blocks = self.blocks();
        let bounds =
            |worker: u32| share_start(blocks, workers, worker)..share_start(blocks, workers, worker + 1);
        match self {
            Offsets::Sequential(run) => {
                (0..workers).map(|worker| Offsets::Sequential(run.part(bounds(worker)))).collect()
            }
            Offsets::Listed(list) if workers == 1 => vec![Offsets::Listed(list)],
            Offsets::Listed(list) => (0..workers)
                .map(|worker| {
                    let Range { start, end } = bounds(worker);
                    Offsets::Listed(list[start as usize..end as usize].to_vec())
                })
                .collect(),
        }
    }

    /// Number of blocks.
    pub fn blocks(&self) -> u64 {
        match self {
            Offsets::Sequential(run) => run.blocks,
            Offsets::Listed(list) => list.len() as u64,
        }
    }

    /// The first offset of blocks that follow each other; 0 for a list.
    pub fn first_bytes(&self) -> u64 {
        match self {
            Offsets::Sequential(run) => run.first_bytes,
            Offsets::Listed(_) => 0,
        }
    }

    /// `blocks` blocks of `block_bytes` bytes from byte `first_bytes` on.
    pub fn run(first_bytes: u64, block_bytes: u64, blocks: u64) -> Offsets {
        Offsets::Sequential(Run { first_bytes, block_bytes, blocks })
    }
}

/// A number that two passes have in common only if they have the same offsets in the same order: the
/// finalizer of SplitMix64 over each offset and what came before. `None` if the blocks follow each other.
pub fn digest(shares: &[&Offsets]) -> Option<u64> {
    let listed = shares.iter().filter_map(|share| match share {
        Offsets::Sequential(_) => None,
        Offsets::Listed(list) => Some(list),
    });
    let next =
        |digest: Option<u64>, offset: &u64| Some(random::mix(digest.unwrap_or(0) ^ offset).wrapping_add(1));
    listed.flatten().fold(None, next)
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
    fn shares_are_the_blocks_in_order_and_differ_by_one_at_most() {
        for access in [Access::Sequential, Access::Random] {
            let whole = Offsets::cover(access, 110, 10, 3);
            let shares = whole.clone().split(4);
            assert_eq!(shares.iter().map(Offsets::blocks).collect::<Vec<_>>(), [3, 3, 3, 2]);
            assert_eq!(shares.iter().flat_map(listed).collect::<Vec<_>>(), listed(&whole));
            assert_eq!(listed(&whole.clone().split(1)[0]), listed(&whole));
        }
        assert_eq!(Offsets::cover(Access::Sequential, 110, 10, 0).split(4)[3].first_bytes(), 90);
    }

    #[test]
    fn a_digest_depends_on_the_offsets_and_on_their_order() {
        let of = |access, seed| digest(&[&Offsets::cover(access, 1 << 16, 16, seed)]);
        assert_eq!(of(Access::Sequential, 0), None);
        assert_eq!(of(Access::Random, 1), of(Access::Random, 1));
        assert_ne!(of(Access::Random, 1), of(Access::Random, 2));
        let listed = |list: &[u64]| digest(&[&Offsets::Listed(list.to_vec())]);
        assert_ne!(listed(&[0, 16]), listed(&[16, 0]));
        assert_ne!(listed(&[0]), listed(&[0, 0]));
        let whole = Offsets::cover(Access::Random, 1 << 16, 16, 1);
        let shares = whole.clone().split(3);
        assert_eq!(digest(&shares.iter().collect::<Vec<_>>()), digest(&[&whole]));
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
