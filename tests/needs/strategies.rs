//! Each strategy of the registry runs. The tests of all strategies leave out one that this machine does not
//! have; here it is reported.

use iobench::strategies::ALL;

use crate::common::{Filesystem, data_file, document};
use crate::trials::{self, Test};

pub(crate) fn tests() -> Vec<Test> {
    let test = |name: &'static str| {
        let path = format!("{}::{name}_runs", module_path!());
        Test::new(&path, &[trials::strategy(name)], move || reads_a_file(name))
    };
    ALL.iter().map(|strategy| test(strategy.info().name)).collect()
}

fn reads_a_file(name: &str) {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 1 << 20);
    let read = document(&["-rt1M", "-b", "64k", "--strategy", name], &file);
    assert_eq!(read["benchmark_samples"][0]["io_count"], 16, "{read}");
}
