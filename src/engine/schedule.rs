//! The operations of a pass, in order: where, and in which direction.

use super::offsets::Offsets;
use super::operation::{Direction, Op};
use super::workload::Workload;
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

/// The order of the directions and that of the blocks are independent, though they have the same seed.
const MIX_SEED: u64 = random::STEP << 1;

impl Schedule {
    /// The operations of a workload.
    pub fn of(workload: &Workload) -> Schedule {
        let Workload { access, total_bytes, block_bytes, seed, direction, .. } = *workload;
        let offsets = Offsets::cover(access, total_bytes, block_bytes, seed);
        let directions = match workload.mix {
            None => Directions::All(direction),
            Some(_) => {
                let (reads, writes) = (workload.reads() as usize, workload.writes() as usize);
                let mut list = [vec![Direction::Read; reads], vec![Direction::Write; writes]].concat();
                Random::new(seed ^ MIX_SEED).shuffle(&mut list);
                Directions::Listed(list)
            }
        };
        Schedule { offsets, directions }
    }

    /// Operations in one direction.
    pub fn all(direction: Direction, offsets: Offsets) -> Schedule {
        Schedule { offsets, directions: Directions::All(direction) }
    }

    /// The shares of `workers` workers.
    pub fn split(self, workers: u32) -> Vec<Schedule> {
        let mut begin = 0;
        let shares = self.offsets.split(workers).into_iter();
        shares
            .map(|offsets| {
                let end = begin + offsets.blocks() as usize;
                let directions = match &self.directions {
                    Directions::All(direction) => Directions::All(*direction),
                    Directions::Listed(list) => Directions::Listed(list[begin..end].to_vec()),
                };
                begin = end;
                Schedule { offsets, directions }
            })
            .collect()
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

    #[test]
    fn a_mix_has_exactly_the_requested_reads_and_its_shares_are_the_whole() {
        for (percent, reads) in [(0, 0), (1, 1), (70, 70), (99, 99), (100, 100)] {
            let mixed = Workload { mix: Some(percent), ..Workload::new(Direction::Write, 10, 1000) };
            let schedule = Schedule::of(&mixed);
            let count = |direction| schedule.iter().filter(|op| op.direction == direction).count();
            assert_eq!(count(Direction::Read), reads);
            assert_eq!(count(Direction::Write), 100 - reads);
            let whole: Vec<Op> = schedule.iter().collect();
            let shares = schedule.split(3);
            assert_eq!(shares.iter().flat_map(Schedule::iter).collect::<Vec<_>>(), whole);
        }
        let mixed =
            |seed| Schedule::of(&Workload { mix: Some(50), seed, ..Workload::new(Direction::Write, 1, 64) });
        let order = |seed| mixed(seed).iter().map(|op| op.direction).collect::<Vec<_>>();
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(order(1).windows(2).filter(|pair| pair[0] != pair[1]).count() > 10, "a random order");
    }
}
