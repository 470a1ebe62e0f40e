"""Documents as tables, and their summary."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import QUICK

import iobench


def test_one_row_a_sample_with_units(result: iobench.Document) -> None:
    frame = iobench.frame(result)
    samples = result["benchmark_samples"]
    assert list(frame["sample"]) == [0, 1, 2]
    for column, value in {
        "strategy": "readwrite",
        "direction": "read",
        "cache": "as-is",
        "access": "sequential",
        "direct": False,
        "performs_io": True,
        "block_bytes": 4096,
        "total_bytes": 1 << 20,
    }.items():
        assert set(frame[column]) == {value}
    assert list(frame["time_s"]) == [sample["time"] for sample in samples]
    assert np.allclose(frame["ns_per_io"] * 256, frame["time_s"] * 1e9)
    assert np.allclose(frame["bandwidth_bytes_per_second"], frame["total_bytes"] / frame["time_s"], rtol=1e-3)
    for column, key in {"utime_s": "utime", "stime_s": "stime", "inblock": "inblock", "outblock": "oublock"}.items():
        assert list(frame[column]) == [sample[key] for sample in samples]
    for column in ("minor_faults", "major_faults", "resident_fraction_before", "resident_fraction_after"):
        assert list(frame[column]) == [sample[column] for sample in samples]
    assert list(frame["queue_s"]) == [sample["run_queue_wait_ns"] / 1e9 for sample in samples]
    assert frame[["source", "order", "role", "sync_time_s"]].isna().all(axis=None)


def test_sync_time_is_in_seconds(data: Path) -> None:
    document = iobench.run("-w", "-s", *QUICK, data)
    (sync_time_s,) = iobench.frame(document)["sync_time_s"]
    assert sync_time_s == document["benchmark_samples"][0]["sync_time_ns"] / 1e9


def test_latencies(data: Path) -> None:
    document = iobench.run("-r", "--latency", *QUICK, "-b", 1024, data)
    (row,) = iobench.frame(document)[["latency_p50_ns", "latency_p99_ns", "latency_max_ns"]].to_dict("records")
    (latency,) = [sample["latency_ns"] for sample in document["benchmark_samples"]]
    assert list(row.values()) == [latency[key] for key in ("p50", "p99", "max")]
    assert iobench.frame(iobench.run("-r", *QUICK, data))["latency_p50_ns"].isna().all()


def test_threads(data: Path) -> None:
    frame = iobench.frame(iobench.run("-r", "--threads", 2, *QUICK, "-b", 1024, "-n", 3, data))
    assert list(frame["threads"]) == [2, 2, 2]
    assert frame["started_ns"].is_monotonic_increasing and (frame["cpu_ns_per_io"] >= 0).all()


def test_without_configuration_the_size_is_known_still(result: iobench.Document) -> None:
    frame = iobench.frame({key: result[key] for key in ("schema_version", "benchmark_samples")})
    assert set(frame["block_bytes"]) == {4096}
    assert frame[["strategy", "direction"]].isna().all(axis=None)
    assert list(iobench.summary(frame)["n"]) == [3]


def test_several_files(result: iobench.Document, swept: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.json"
    run.write_text(json.dumps(result))
    frame = iobench.load(run, swept)
    assert list(frame["source"].unique()) == [str(run), str(swept)]
    swept_rows = frame[frame["source"] == str(swept)]
    document = json.loads(swept.read_text())
    assert len(swept_rows) == sum(len(point["benchmark_samples"]) for point in document["runs"])
    assert sorted(swept_rows["order"]) == list(range(len(swept_rows)))
    samples = [sample for point in document["runs"] for sample in point["benchmark_samples"]]
    assert list(swept_rows["role"]) == [sample["role"] for sample in samples]
    assert list(frame.dtypes) == list(iobench.frame(result).dtypes)


def test_summary_is_the_programs_own(swept: Path) -> None:
    summary = iobench.summary(iobench.load(swept)).set_index(["strategy", "block_bytes"])
    runs = json.loads(swept.read_text())["runs"]
    assert len(summary) == len(runs) == 15
    for run in runs:
        point = run["benchmark_configuration"]["strategy"], run["benchmark_configuration"]["buffersize"]
        assert summary.loc[point, "n"] == run["summary"]["n"]
        for name in ("median", "q1", "q3"):
            assert np.isclose(summary.loc[point, name], 1024 * run["summary"][f"{name}_kib_per_second"])
        interval = run["summary"]["interval_kib_per_second"] or [np.nan, np.nan]
        assert np.allclose(summary.loc[point, ["low", "high"]].astype(float), 1024 * np.array(interval), equal_nan=True)


@pytest.mark.parametrize("role", ["warmup", "disturbed"])
def test_what_is_not_measured_does_not_count(result: iobench.Document, role: str) -> None:
    # Which samples a sweep calls so is not the same each time.
    first, *others = result["benchmark_samples"]
    roles = [{**first, "role": role}, *({**sample, "role": "measured"} for sample in others)]
    (row,) = iobench.summary(iobench.frame({**result, "benchmark_samples": roles}), quantity="time").to_dict("records")
    assert (row["n"], row["median"]) == (2, np.median([sample["time"] for sample in others]))


def test_summary_of_another_quantity(result: iobench.Document) -> None:
    frame = iobench.frame(result)
    (median,) = iobench.summary(frame, quantity="time")["median"]
    assert median == frame["time_s"].median()
    by_sample = iobench.summary(frame, by=["block_bytes", "sample"])
    assert list(by_sample["n"]) == [1, 1, 1]


def test_a_run_that_ended_early_warns_and_keeps_its_samples(result: iobench.Document, tmp_path: Path) -> None:
    with pytest.raises(iobench.RunError) as caught:
        iobench.run("-r", *QUICK, tmp_path / "missing")
    error = caught.value.document and caught.value.document["error"]
    with pytest.warns(iobench.IncompleteWarning, match="this document ended early: .*No such file") as warned:
        frame = iobench.frame({**result, "error": error})
    assert len(frame) == 3
    assert warned[0].filename == __file__


def test_a_whole_run_does_not_warn(result: iobench.Document) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(iobench.frame(result), pd.DataFrame)
