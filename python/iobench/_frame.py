"""Documents as tables: one row per sample."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ._constants import common_constants
from ._interval import series_interval
from ._schema import READABLE_VERSIONS, upgrade

# Roles of samples that statistics leave out.
NOT_COUNTED = ("warmup", "disturbed")

Quantity = Literal["bandwidth", "iops", "time", "ns_per_io", "p50", "p99", "cpu"]
COLUMN_OF_QUANTITY: dict[Quantity, str] = {
    "bandwidth": "bandwidth_bytes_per_second",
    "iops": "ios_per_second",
    "time": "time_s",
    "ns_per_io": "ns_per_io",
    "p50": "latency_p50_ns",
    "p99": "latency_p99_ns",
    "cpu": "cpu_ns_per_io",
}

# Column -> type. Counts may be missing, which numpy's integers cannot say.
COLUMNS = {
    "source": "str",
    "strategy": "str",
    "direction": "str",
    "block_bytes": "int64",
    "total_bytes": "int64",
    "cache": "str",
    "access": "str",
    "iodepth": "Int64",
    "mix": "Int64",
    "rate": "Int64",
    "direct": "boolean",
    "noatime": "boolean",
    "performs_io": "boolean",
    "sample": "int64",
    "order": "Int64",
    "role": "str",
    "time_s": "float64",
    "bandwidth_bytes_per_second": "float64",
    "ns_per_io": "float64",
    "ios_per_second": "float64",
    "sync_time_s": "float64",
    "utime_s": "float64",
    "stime_s": "float64",
    "voluntary_switches": "Int64",
    "involuntary_switches": "Int64",
    "inblock": "Int64",
    "outblock": "Int64",
    "minor_faults": "Int64",
    "major_faults": "Int64",
    "queue_s": "float64",
    "resident_fraction_before": "float64",
    "resident_fraction_after": "float64",
    "cache_reached": "boolean",
    "started_ns": "Int64",
    "threads": "Int64",
    "cpu_ns_per_io": "float64",
    "latency_p50_ns": "float64",
    "latency_p99_ns": "float64",
    "latency_max_ns": "float64",
}


class UnknownSchema(ValueError):
    """A document that this package cannot read."""


class IncompleteWarning(UserWarning):
    """A document whose run ended early: it has the samples until then."""


def load(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """Read results of runs (-j -v) and of sweeps (-o) into one table, one row per sample.

    Sizes are in bytes, times in seconds (`ns_per_io`: nanoseconds). `sample` counts from 0 within its point,
    `order` from 0 within the experiment. `direct` and `noatime` say what the kernel granted, not what was requested.
    `iodepth` is per worker, `mix` in percent of reads, `rate` in I/Os per second. `performs_io` is false for a strategy that only measures the harness. `started_ns` is on CLOCK_MONOTONIC.

    A value is missing where the document does not have it: `order` and `role` in a plain run, `utime_s` to `queue_s`
    (time spent ready to run, but waiting for a processor) without -g, `cpu_ns_per_io` without -g and --threads,
    latencies without --latency, `mix` and `rate` without --mix and --rate, and `strategy`, `direction`, `cache`,
    `access`, `iodepth`, `direct`, `noatime` and `performs_io` without -v. Points of a sweep that could not run have no rows.

    Documents of schema version 1 and 2 are read. Raises UnknownSchema for a file that holds no result of iobench,
    or one of another version. A run that ended early keeps its samples and gives an IncompleteWarning.
    """
    documents = []
    for path in paths:
        try:
            documents.append((json.loads(Path(path).read_text()), str(path)))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UnknownSchema(f"{path} is not JSON ({error}): name what iobench wrote with -j or -o") from None
    return _table(documents)


def frame(document: Mapping[str, Any]) -> pd.DataFrame:
    """Turn a parsed document into the table that `load` gives; `source` is missing."""
    return _table([(document, None)])


def summary(
    frame: pd.DataFrame,
    *,
    quantity: Quantity = "bandwidth",
    by: Sequence[str] = ("strategy", "block_bytes"),
) -> pd.DataFrame:
    """Return n, median, its 95 % interval and the quartiles of a quantity over the measured samples of each point.

    Warm-up and disturbed samples are left out. The first sample of a plain run is not warm-up by itself: drop it by
    `frame[frame["sample"] > 0]`. Name in `by` what must not be mixed, as the source where there are several.
    The unit is that of the column: bytes or I/Os per second, seconds, or nanoseconds. The interval (low, high) is wider where
    consecutive samples are correlated, so keep them in order; it is missing with fewer than six.
    """
    measured = frame[~frame["role"].isin(NOT_COUNTED)]
    points = measured.groupby(list(by), dropna=False)[COLUMN_OF_QUANTITY[quantity]]
    intervals = points.agg(series_interval)
    columns = {
        "n": points.size(),
        "median": points.median(),
        "low": intervals.str[0],
        "high": intervals.str[1],
        "q1": points.quantile(0.25),
        "q3": points.quantile(0.75),
    }
    return pd.DataFrame(columns).reset_index()


def _table(documents: Sequence[tuple[Mapping[str, Any], str | None]]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for document, source in documents:
        _check(document, source or "this document")
        for configuration, samples in _points(upgrade(document)):
            rows += (_row(configuration, sample, index, source) for index, sample in enumerate(samples))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    table.attrs["host_constants"] = common_constants([document for document, _ in documents])
    return table


def _check(document: Mapping[str, Any], source: str) -> None:
    version = document.get("schema_version") if isinstance(document, Mapping) else None
    if version is None:
        raise UnknownSchema(f"{source} has no schema_version: name what iobench wrote with -j or -o")
    if version not in READABLE_VERSIONS:
        raise UnknownSchema(
            f"{source} has schema_version {version}, this package reads {' and '.join(map(str, READABLE_VERSIONS))}: "
            "install the package that came with the iobench that wrote it"
        )
    if "runs" not in document and "benchmark_samples" not in document:
        raise UnknownSchema(f"{source} holds no samples: name the result of a run or of a sweep")
    error = document.get("error")
    if error:
        warnings.warn(f"{source} ended early: {error['message']}", IncompleteWarning, stacklevel=4)


def _points(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]:
    """Yield configuration and samples of each point; a plain run is one point."""
    for point in document.get("runs", [document]):
        yield point.get("benchmark_configuration") or {}, point["benchmark_samples"]


def _row(configuration: Mapping[str, Any], sample: Mapping[str, Any], index: int, source: str | None) -> dict[str, Any]:
    sync_time_ns = sample["sync_time_ns"]
    wait_ns = sample["run_queue_wait_ns"]
    requested = configuration.get("requested") or {}
    granted = configuration.get("granted") or {}
    properties = configuration.get("properties") or {}
    latency = sample.get("latency_ns") or {}
    return {
        "source": source,
        "strategy": configuration.get("strategy"),
        "direction": configuration.get("operation"),
        "block_bytes": sample["transferred_bytes"] // sample["io_count"],
        "total_bytes": sample["transferred_bytes"],
        "cache": configuration.get("cache"),
        "access": requested.get("access"),
        "iodepth": granted.get("iodepth"),
        "mix": requested.get("mix"),
        "rate": requested.get("rate"),
        "direct": granted.get("direct"),
        "noatime": granted.get("noatime"),
        "performs_io": properties.get("performs_io"),
        "sample": index,
        "order": sample.get("order_index"),
        "role": sample.get("role"),
        "time_s": sample["time"],
        "bandwidth_bytes_per_second": 1024 * sample["bandwidth"],
        "ns_per_io": 1e9 * sample["time"] / sample["io_count"],
        "ios_per_second": sample["io_count"] / sample["time"],
        "sync_time_s": None if sync_time_ns is None else sync_time_ns / 1e9,
        "utime_s": sample.get("utime"),
        "stime_s": sample.get("stime"),
        "voluntary_switches": sample.get("nvcsw"),
        "involuntary_switches": sample.get("nivcsw"),
        "inblock": sample.get("inblock"),
        "outblock": sample.get("outblock"),
        "minor_faults": sample["minor_faults"],
        "major_faults": sample["major_faults"],
        "queue_s": None if wait_ns is None else wait_ns / 1e9,
        "resident_fraction_before": sample["resident_fraction_before"],
        "resident_fraction_after": sample["resident_fraction_after"],
        "cache_reached": sample["cache_reached"],
        "started_ns": sample.get("started_ns"),
        "threads": max(len(sample.get("workers", [])), 1),
        "cpu_ns_per_io": sample.get("cpu_ns_per_io"),
        "latency_p50_ns": latency.get("p50"),
        "latency_p99_ns": latency.get("p99"),
        "latency_max_ns": latency.get("max"),
    }
