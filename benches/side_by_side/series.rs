//! Takes the pairs, in rounds that visit every case once, in an order from a recorded seed.

use std::fs::File;

use iobench::{random::Random, stats};

use crate::cases::{Case, Rival};
use crate::common::Result;
use crate::programs::Programs;
use crate::ratio::Pairs;

/// Runs of each candidate of fio before the best one is chosen.
const TRIAL_ROUNDS: usize = 3;

/// One case and its measurements.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) case: Case,
    pub(crate) pairs: Pairs,
    pub(crate) fio_options: &'static [&'static str],
    pub(crate) fio_trials: Vec<Trial>,
    /// Reason for which a program could not run. The case takes no further pairs after that.
    pub(crate) failure: Option<String>,
}

/// The median time of fio with one group of options.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) options: &'static [&'static str],
    pub(crate) ns_per_io: f64,
}

impl Series {
    /// Starts with the first options of fio. [`Self::choose_fio_options`] looks for better ones.
    pub(crate) fn new(case: Case) -> Self {
        let fio_options = match &case.rival {
            Rival::Fio { candidates, .. } => candidates.first().copied().unwrap_or_default(),
            Rival::CLoop { .. } | Rival::Nobody => &[],
        };
        Self { case, pairs: Pairs::default(), fio_options, fio_trials: Vec::new(), failure: None }
    }

    /// Tries every group of fio options of the case, interleaved, and keeps the fastest.
    pub(crate) fn choose_fio_options(&mut self, programs: &Programs) {
        let Rival::Fio { candidates, loops } = self.case.rival else {
            return;
        };
        match try_candidates(programs, candidates, loops, &self.case) {
            Ok(mut trials) => {
                trials.sort_by(|a, b| a.ns_per_io.total_cmp(&b.ns_per_io));
                self.fio_options = trials.first().map_or(self.fio_options, |best| best.options);
                self.fio_trials = trials;
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Takes one pair, unless an earlier one failed.
    fn take_pair(&mut self, programs: &Programs, ours_first: bool) {
        if self.failure.is_some() {
            return;
        }
        match self.run_pair(programs, ours_first) {
            Ok((ours_ns, theirs_ns)) => {
                self.pairs.ours_ns_per_io.push(ours_ns);
                self.pairs.theirs_ns_per_io.extend(theirs_ns);
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    fn run_pair(&self, programs: &Programs, ours_first: bool) -> Result<(f64, Option<f64>)> {
        let ours = || programs.run_ours(&self.case).and_then(|ns| self.settle(programs, ns));
        let theirs = || self.run_theirs(programs).and_then(|ns| self.settle(programs, ns));
        if ours_first {
            Ok((ours()?, theirs()?))
        } else {
            let theirs_ns = theirs()?;
            Ok((ours()?, theirs_ns))
        }
    }

    fn run_theirs(&self, programs: &Programs) -> Result<Option<f64>> {
        let work = &self.case.work;
        match self.case.rival {
            Rival::Nobody => Ok(None),
            Rival::CLoop { mode } => programs.run_c_loop(mode, work).map(Some),
            Rival::Fio { loops, .. } => programs.run_fio(self.fio_options, loops, work).map(Some),
        }
    }

    /// Syncs the data of a run. The next run would pay for it otherwise.
    fn settle<T>(&self, programs: &Programs, measured: T) -> Result<T> {
        if self.case.work.write {
            File::open(&programs.data)?.sync_data()?;
        }
        Ok(measured)
    }
}

fn try_candidates(
    programs: &Programs,
    candidates: &'static [&'static [&'static str]],
    loops: u64,
    case: &Case,
) -> Result<Vec<Trial>> {
    let mut runs_ns = vec![Vec::new(); candidates.len()];
    for _ in 0..TRIAL_ROUNDS {
        for (options, runs_ns) in candidates.iter().zip(&mut runs_ns) {
            runs_ns.push(programs.run_fio(options, loops, &case.work)?);
        }
    }
    let medians_ns = runs_ns.iter().filter_map(|runs_ns| stats::median(runs_ns));
    let trials = candidates.iter().zip(medians_ns);
    Ok(trials.map(|(&options, ns_per_io)| Trial { options, ns_per_io }).collect())
}

/// Takes `pairs` pairs of every series, in complete rounds. Drift of the machine is then noise in every case,
/// and a bad minute does not affect only one case. The order within the pairs of a case alternates between
/// rounds. Its start is random.
pub(crate) fn take_rounds(all: &mut [Series], programs: &Programs, pairs: usize, seed: u64) {
    let mut random = Random::new(seed);
    let ours_first_at_start: Vec<bool> = all.iter().map(|_| random.below(2) == 0).collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    for round in 0..pairs {
        random.shuffle(&mut order);
        for &index in &order {
            let ours_first = ours_first_at_start[index] ^ (round % 2 == 1);
            all[index].take_pair(programs, ours_first);
        }
        eprintln!("round {} of {pairs}", round + 1);
    }
}
