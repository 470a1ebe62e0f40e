//! Speed of the machine during a sweep: floors before and after the sweep, and control readings at each
//! sample.

use std::time::{Duration, Instant};

use super::super::request::DEFAULT_TOTAL_BYTES;
use super::point::{SweepPoint, seconds_per_io};
use crate::engine::floors;
use crate::engine::interrupt;
use crate::engine::iteration::{self, Plan};
use crate::engine::operation::Direction;
use crate::engine::strategy::Strategy;
use crate::engine::support::Limits;
use crate::engine::targets::Targets;
use crate::engine::workload::Workload;
use crate::error::Error;
use crate::host;
use crate::report::sweep::{Control, Floors};

/// Control readings: times of reference work that does not use an I/O path.
#[derive(Default)]
pub(crate) struct Controls {
    work: floors::ReferenceWork,
    /// One reading per sample, in order.
    pub(crate) readings: Vec<Control>,
}

impl Controls {
    /// Takes a reading before and after `sample`, which gets its number. No reading is kept if `sample`
    /// fails.
    ///
    /// # Errors
    /// The errors of `sample`.
    pub(crate) fn around(&mut self, sample: impl FnOnce(u64) -> Result<(), Error>) -> Result<(), Error> {
        let order_index = self.readings.len() as u64;
        let processor_before_ns = floors::processor_ns();
        sample(order_index)?;
        let processor_after_ns = floors::processor_ns();
        let floors::Reading { system_call_ns, memory_copy_ns } = self.work.read();
        self.readings.push(Control {
            order_index,
            processor_before_ns,
            processor_after_ns,
            system_call_ns,
            memory_copy_ns,
        });
        Ok(())
    }
}

/// Measures the floors: the cost of the harness, of a system call, and of a memory copy for the sizes of
/// these points. Copies that would take longer than `time` are left out.
pub(crate) fn measure_floors(
    points: &[SweepPoint],
    floor: Option<&'static dyn Strategy>,
    targets: &Targets,
    time: Duration,
) -> Floors {
    let started = Instant::now();
    let workloads = || points.iter().map(|point| point.prepared.request.workload);
    let direction = workloads().next().map_or(Direction::Read, |workload| workload.direction);
    // A copy needs a source and a destination. Sizes that would use more than half of the free memory are
    // left out.
    let free_bytes = host::memory_available_bytes().unwrap_or(u64::MAX);
    let mut sizes: Vec<u64> = workloads().map(|workload| workload.block_bytes).collect();
    sizes.retain(|bytes| *bytes <= free_bytes / 4);
    sizes.sort_unstable();
    sizes.dedup();
    let copy = |bytes: u64| (bytes, floors::memory_copy_ns(bytes, DEFAULT_TOTAL_BYTES));
    let fits = |bytes: &u64| {
        !interrupt::requested() && started.elapsed() + floors::memory_copy_duration(*bytes) <= time
    };
    Floors {
        harness_call_ns: floor.and_then(|floor| harness_call_ns(floor, direction, targets)),
        bracket_ns: Some(floors::bracket_ns()),
        nominal_processor_ns: floors::nominal_processor_ns(),
        system_call_ns: Some(floors::system_call_ns()),
        memory_copy_ns: sizes.into_iter().filter(fits).map(copy).collect(),
    }
}

/// Nanoseconds per call of the null strategy; `None` if it fails.
fn harness_call_ns(floor: &'static dyn Strategy, direction: Direction, targets: &Targets) -> Option<f64> {
    const CALLS: u64 = 1 << 20;
    let limits = Limits { alignment: None, max_iodepth: 1, max_block_bytes: 1 };
    let plan = Plan::new(Workload::new(direction, 1, CALLS), &limits);
    let seconds = || iteration::sample(floor, targets, &plan).map(|sample| seconds_per_io(&sample));
    let shortest = (0..5).map(|_| seconds()).reduce(|one, other| Ok(one?.min(other?)));
    Some(shortest?.ok()? * 1e9)
}
