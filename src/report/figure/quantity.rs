//! Quantities that a figure can show.

use super::super::document::{BenchmarkConfiguration, SampleRecord};
use super::super::latency::Metric;
use crate::units;

/// Quantity on the vertical axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub(crate) enum Quantity {
    /// Bytes per second.
    Bandwidth,
    /// I/Os per second.
    Iops,
    /// Time of the sample divided by its I/Os.
    NsPerIo,
    /// Median latency.
    P50,
    /// 99th percentile of the latency.
    P99,
    /// Processor time per I/O.
    Cpu,
}

impl Quantity {
    /// The name in titles.
    pub(super) fn name(self) -> &'static str {
        match self {
            Quantity::Bandwidth => "bandwidth",
            Quantity::Iops => "I/Os per second",
            Quantity::NsPerIo => "time per I/O",
            Quantity::P50 => "p50 latency",
            Quantity::P99 => "p99 latency",
            Quantity::Cpu => "CPU time per I/O",
        }
    }

    /// The unit.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Quantity::Bandwidth => "MiB/s",
            Quantity::Iops => "1/s",
            Quantity::NsPerIo | Quantity::Cpu => "ns",
            Quantity::P50 | Quantity::P99 => "us",
        }
    }

    /// The name as a heading. That of a percentile begins with a small letter.
    pub(super) fn heading(self) -> String {
        if self.is_latency() { self.name().to_owned() } else { units::capitalised(self.name()) }
    }

    /// Title of the axis.
    pub(super) fn title(self) -> String {
        let heading = self.heading();
        if self == Quantity::Iops { heading } else { format!("{heading} ({})", self.unit()) }
    }

    /// True for percentiles, which need `--latency`.
    pub(super) fn is_latency(self) -> bool {
        matches!(self, Quantity::P50 | Quantity::P99)
    }

    /// True if the quantity grows in proportion to the number of workers, as long as they do not wait for
    /// each other.
    pub(super) fn scales(self) -> bool {
        matches!(self, Quantity::Bandwidth | Quantity::Iops)
    }

    /// The value of a sample in this unit. `None` if the sample does not have it.
    pub(super) fn of(self, sample: &SampleRecord, configuration: &BenchmarkConfiguration) -> Option<f64> {
        let ios = sample.transferred_bytes as f64 / configuration.buffersize as f64;
        let latency = |metric: Metric| metric.of(&sample.latencies).map(|ns| ns / 1e3);
        match self {
            Quantity::Bandwidth => Some(sample.bandwidth / 1024.0),
            Quantity::Iops => Some(ios / sample.time),
            Quantity::NsPerIo => Some(1e9 * sample.time / ios),
            Quantity::P50 => latency(Metric::P50),
            Quantity::P99 => latency(Metric::P99),
            Quantity::Cpu => sample.cpu_ns_per_io,
        }
    }
}
