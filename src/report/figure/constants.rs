//! Constants of a host, such as its page size, that can cause a knee.

use crate::host;

/// Capacity of a pipe, in bytes (pipe(7)).
const PIPE_BYTES: u64 = 64 << 10;

/// The known constants of this host: name and bytes.
pub(in crate::report) fn of_host(host: &host::Configuration) -> Vec<(String, u64)> {
    let pages = host.identity.page_sizes_bytes.iter().flatten().map(|bytes| Some(*bytes));
    let pages = ["page", "huge page", "giant page"].into_iter().zip(pages);
    let others = [
        ("L1d cache", host.processor.cpu_cache_l1d_bytes),
        ("L2 cache", host.processor.cpu_cache_l2_bytes),
        ("L3 cache", host.processor.cpu_cache_l3_bytes),
        ("readahead", host.storage.device_read_ahead_bytes),
        ("largest request", host.storage.device_max_request_bytes),
        ("pipe", Some(PIPE_BYTES)),
    ];
    pages.chain(others).filter_map(|(name, bytes)| Some((name.to_owned(), bytes?))).collect()
}
