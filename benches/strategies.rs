//! Every registered strategy on a page-cached file, at four buffer sizes; `null` is the floor.
//!
//! It times only the bracket of each iteration, like `iobench`: `4 MiB / block x (transfer + loop)`. Each
//! iteration opens the file again, so the figures of `mmap` include page faults. `direct` bypasses the cache
//! and uses the device.
//!
//!     cargo bench --bench strategies               # everything
//!     cargo bench --bench strategies -- pread/4096 # one

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use iobench::engine::affinity::{self, CpuChoice};
use iobench::engine::cache::CacheState;
use iobench::engine::iteration::{self, Plan};
use iobench::engine::operation::Direction;
use iobench::engine::strategy::{DirectIo, Strategy};
use iobench::engine::support::{Limits, Support};
use iobench::engine::target::Target;
use iobench::engine::targets::Targets;
use iobench::engine::workload::Workload;
use iobench::engine::{create, prepare};
use iobench::error::Error;
use iobench::strategies::ALL;

const TOTAL_BYTES: u64 = 4 << 20;
const BLOCK_BYTES: [u64; 4] = [512, 4 << 10, 64 << 10, 1 << 20];
const IODEPTH: u32 = 32;

/// A queue waits for all of its operations at a time, also with O_DIRECT.
fn plan(limits: &Limits, direct: bool, block_bytes: u64) -> Plan {
    let workload = Workload::new(Direction::Read, block_bytes, TOTAL_BYTES);
    Plan::new(Workload { direct, iodepth: Some(IODEPTH), batch: Some(IODEPTH), ..workload }, limits)
}

fn bench_strategy(criterion: &mut Criterion, strategy: &'static dyn Strategy, targets: &Targets) {
    let info = strategy.info();
    let direct = info.direct == DirectIo::Always;
    let limits = match strategy.probe(targets.first(), direct) {
        Support::Yes(limits) => limits,
        Support::No(refusal) => {
            eprintln!("{}: left out: {}", info.name, refusal.explanation);
            return;
        }
    };
    let mut group = criterion.benchmark_group(info.name);
    group.throughput(Throughput::Bytes(TOTAL_BYTES));
    for block_bytes in BLOCK_BYTES {
        if limits.alignment.is_some_and(|alignment| alignment.check(info.name, block_bytes).is_err()) {
            eprintln!("{}: {block_bytes} bytes left out: not a multiple of the alignment", info.name);
            continue;
        }
        let plan = plan(&limits, direct, block_bytes);
        group.bench_function(BenchmarkId::from_parameter(block_bytes), |bencher| {
            bencher.iter_custom(|iterations| {
                (0..iterations).map(|_| enclosed_time(strategy, targets, &plan)).sum()
            });
        });
    }
    group.finish();
}

/// The time between the brackets of one iteration.
fn enclosed_time(strategy: &'static dyn Strategy, targets: &Targets, plan: &Plan) -> Duration {
    match iteration::sample(strategy, targets, plan) {
        Ok(sample) => Duration::from_nanos(black_box(sample).elapsed.total_ns),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(i32::from(error.exit_code()));
        }
    }
}

fn main() -> Result<(), Error> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("strategies.bench");
    create::if_missing(&path, TOTAL_BYTES)?;
    affinity::pin(CpuChoice::Default)?;
    prepare::touch_program();
    let targets = Targets::from(Target::open(&path, Direction::Read, false)?);
    CacheState::Warm.establish(targets.first(), TOTAL_BYTES)?;
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for strategy in ALL {
        bench_strategy(&mut criterion, *strategy, &targets);
    }
    criterion.final_summary();
    Ok(())
}
