//! The operations of a pass, in order: where, and in which direction.

use super::offsets::Offsets;
use super::operation::{Direction, Op};
use super::workload::{Files, Workload};
use crate::random::{self, Random};

/// The operations of a pass, or of the share of one worker.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Where.
    pub offsets: Offsets,
    /// In which direction.
    pub directions: Directions,
}

/// Directions of the operations of a pass.
#[derive(Debug, Clone)]
pub enum Directions {
    /// All in this one.
    All(Direction),
    /// One per operation (`--mix`).
    Listed(Vec<Direction>),
}

impl Directions {
    /// The directions of a workload.
    fn of(workload: &Workload) -> Directions {
        if workload.mix.is_none() {
            return Directions::All(workload.direction);
        }
        let (reads, writes) = (workload.reads() as usize, workload.writes() as usize);
        let mut list = [vec![Direction::Read; reads], vec![Direction::Write; writes]].concat();
        Random::new(workload.seed ^ MIX_SEED).shuffle(&mut list);
        Directions::Listed(list)
    }

    /// Shares with these numbers of operations.
    fn split(self, counts: &[usize]) -> Vec<Directions> {
        let mut begin = 0;
        let share = |count: &usize| match &self {
            Directions::All(direction) => Directions::All(*direction),
            Directions::Listed(list) => {
                let range = begin..begin + count;
                begin = range.end;
                Directions::Listed(list[range].to_vec())
            }
        };
        counts.iter().map(share).collect()
    }
}

/// The order of the directions and that of the blocks are independent, though they have the same seed.
const MIX_SEED: u64 = random::STEP << 1;

impl Schedule {
    /// The operations of each worker.
    pub fn shares(workload: &Workload) -> Vec<Schedule> {
        let Workload { access, total_bytes, block_bytes, seed, threads, .. } = *workload;
        let offsets = match workload.files {
            Files::Shared => Offsets::cover(access, total_bytes, block_bytes, seed).split(threads),
            // Each file has an order of its own.
            Files::PerThread => (0..)
                .zip(workload.shares())
                .map(|(worker, share)| {
                    Offsets::cover(access, share.total_bytes, block_bytes, seed.wrapping_add(worker))
                })
                .collect(),
        };
        let counts: Vec<usize> = offsets.iter().map(|share| share.blocks() as usize).collect();
        let directions = Directions::of(workload).split(&counts);
        let pairs = offsets.into_iter().zip(directions);
        pairs.map(|(offsets, directions)| Schedule { offsets, directions }).collect()
    }

    /// Operations in one direction.
    pub fn all(direction: Direction, offsets: Offsets) -> Schedule {
        Schedule { offsets, directions: Directions::All(direction) }
    }

    /// The operations, for a loop that is compiled once for all kinds.
    pub fn iter(&self) -> impl Iterator<Item = Op> + '_ {
        self.offsets.iter().enumerate().map(|(index, offset_bytes)| {
            let direction = match &self.directions {
                Directions::All(direction) => *direction,
                Directions::Listed(list) => list[index],
            };
            Op { direction, offset_bytes }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::access::Access;

    fn listed(shares: &[Schedule]) -> Vec<Op> {
        shares.iter().flat_map(Schedule::iter).collect()
    }

    #[test]
    fn a_mix_has_exactly_the_requested_reads_and_its_shares_are_the_whole() {
        for (percent, reads) in [(0, 0), (1, 1), (70, 70), (99, 99), (100, 100)] {
            let mixed = Workload { mix: Some(percent), ..Workload::new(Direction::Write, 10, 1000) };
            let whole = listed(&Schedule::shares(&mixed));
            let count = |direction| whole.iter().filter(|op| op.direction == direction).count();
            assert_eq!(count(Direction::Read), reads);
            assert_eq!(count(Direction::Write), 100 - reads);
            assert_eq!(listed(&Schedule::shares(&Workload { threads: 3, ..mixed })), whole);
            let files = Schedule::shares(&Workload { threads: 3, files: Files::PerThread, ..mixed });
            let directions = |ops: Vec<Op>| ops.into_iter().map(|op| op.direction).collect::<Vec<_>>();
            assert_eq!(directions(listed(&files)), directions(whole));
        }
        let order = |seed| {
            let mixed = Workload { mix: Some(50), seed, ..Workload::new(Direction::Write, 1, 64) };
            listed(&Schedule::shares(&mixed)).iter().map(|op| op.direction).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(order(1).windows(2).filter(|pair| pair[0] != pair[1]).count() > 10, "a random order");
    }

    #[test]
    fn with_a_file_per_thread_each_share_covers_its_file_in_an_order_of_its_own() {
        for access in [Access::Sequential, Access::Random] {
            let workload = Workload { access, threads: 3, ..Workload::new(Direction::Read, 10, 650) };
            let shares = Schedule::shares(&Workload { files: Files::PerThread, ..workload });
            let offsets = |share: &Schedule| share.iter().map(|op| op.offset_bytes).collect::<Vec<_>>();
            let orders: Vec<Vec<u64>> = shares.iter().map(offsets).collect();
            for (order, blocks) in orders.iter().zip([22, 22, 21]) {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..blocks).map(|block| 10 * block).collect::<Vec<_>>());
            }
            assert_eq!(orders[0] == orders[1], access == Access::Sequential);
        }
    }
}
