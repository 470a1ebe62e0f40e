//! A CPU for each test. A benchmark runs on the first CPU that it is allowed, so the programs of tests side
//! by side would take turns on CPU 0 and disturb each other. A program inherits the CPUs of the thread that
//! starts it.

use std::sync::{LazyLock, Mutex};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The CPUs that the test program may use.
static ALLOWED: LazyLock<CpuSet> = LazyLock::new(|| sched_getaffinity(Pid::from_raw(0)).unwrap());

/// Those that no test has.
static FREE: LazyLock<Mutex<Vec<usize>>> =
    LazyLock::new(|| Mutex::new(numbers().into_iter().rev().collect()));

fn numbers() -> Vec<usize> {
    (0..CpuSet::count()).filter(|cpu| ALLOWED.is_set(*cpu).unwrap()).collect()
}

thread_local! {
    static OWN: OwnCpu = OwnCpu::take();
}

/// The CPU of a thread; `None` if all were taken.
struct OwnCpu(Option<usize>);

impl OwnCpu {
    fn take() -> OwnCpu {
        let cpu = FREE.lock().unwrap().pop();
        if let Some(cpu) = cpu {
            let mut set = CpuSet::new();
            set.set(cpu).unwrap();
            sched_setaffinity(Pid::from_raw(0), &set).unwrap();
        }
        OwnCpu(cpu)
    }
}

impl Drop for OwnCpu {
    fn drop(&mut self) {
        FREE.lock().unwrap().extend(self.0);
    }
}

/// Gives this thread a CPU of its own, if one is free.
pub fn take() {
    OWN.with(|_| ());
}

/// Lets this thread, and the programs that it starts, use all CPUs again, and returns their numbers.
pub fn use_all() -> Vec<usize> {
    take();
    sched_setaffinity(Pid::from_raw(0), &ALLOWED).unwrap();
    numbers()
}
