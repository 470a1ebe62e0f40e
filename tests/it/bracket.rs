//! Properties of the bracket other than its system calls: no page faults of the harness inside it, no reads
//! after it. The calls themselves are counted for every strategy, both directions and three buffer sizes by
//! `iobench selftest` (`src/selftest/bracket.rs`), which `tests/lab/exercise.rs` runs on all of them.

use crate::common::{self, Filesystem, strategies};

const TOTAL_BYTES: u64 = 1 << 20;

#[test]
fn the_prefaulted_buffer_takes_no_page_fault_inside_the_bracket() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    // A mapping's page faults are the path itself.
    for strategy in strategies().filter(|name| *name != "mmap") {
        for (mode, block) in [("-r", "4k"), ("-w", "4k"), ("-r", "1M"), ("-w", "1M")] {
            let args = [mode, "-g", "-j", "-B", "-n", "2", "-t", "1M", "-b", block, "--strategy", strategy];
            let document =
                common::run(args.iter().map(|arg| arg.as_ref()).chain([file.as_os_str()])).ok().json();
            for sample in document["benchmark_samples"].as_array().unwrap() {
                assert_eq!(sample["minor_faults"], 0, "{args:?}");
                assert_eq!(sample["major_faults"], 0, "{args:?}");
            }
        }
    }
}
