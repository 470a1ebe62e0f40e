"""The figure: what is drawn is what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

import iobench
from iobench._plot import bytes_label


@pytest.fixture(autouse=True)
def no_figure_is_left() -> Iterator[None]:
    """Close the figures of a test."""
    yield
    plt.close("all")


def curves(ax: Axes) -> dict[str, ErrorbarContainer]:
    """Return the curves by the first word of their names."""
    found = [container for container in ax.containers if isinstance(container, ErrorbarContainer)]
    return {str(container.get_label()).split(",")[0]: container for container in found}


def labels(ax: Axes) -> dict[str, float]:
    """Return the labelled verticals: text and place."""
    return {text.get_text(): text.xy[0] for text in ax.texts}  # type: ignore[attr-defined]


def test_medians_and_intervals_are_drawn(swept: Path, tmp_path: Path) -> None:
    frame = iobench.load(swept)
    ax = iobench.plot(frame)
    assert set(curves(ax)) == {"readwrite", "mmap"}  # null is a floor, and left out
    expected = iobench.summary(frame).query("strategy == 'mmap'")
    line, _, (bars,) = curves(ax)["mmap"].lines
    assert np.allclose(line.get_xdata(), expected["block_bytes"])
    assert np.allclose(line.get_ydata(), expected["median"] / 2**20)
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert np.allclose(ends, expected[["low", "high"]] / 2**20)
    assert ax.get_xscale() == "log" and "1 KiB" in [tick.get_text() for tick in ax.get_xticklabels()]
    ax.figure.savefig(tmp_path / "performance.pdf")
    assert (tmp_path / "performance.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("role", ["warmup", "disturbed"])
def test_every_measured_sample_is_drawn(swept: Path, role: str) -> None:
    frame = iobench.load(swept)
    frame.loc[frame["sample"] == 0, "role"] = role
    ax = iobench.plot(frame, quantity="ns_per_io")
    drawn = [line for line in ax.lines if line.get_linestyle() == "None"]
    measured = frame.query("strategy == 'readwrite' and role == 'measured'")
    assert sorted(drawn[0].get_ydata()) == sorted(measured["ns_per_io"])
    assert ax.get_yscale() == "log"


def test_marks_and_constants(swept: Path) -> None:
    page = {"page": json.loads(swept.read_text())["host_configuration"]["hw.pagesizes"][0]}
    assert labels(iobench.plot(iobench.load(swept), constants=False)) == {}
    assert labels(iobench.plot(iobench.load(swept), marks=(2048,))).items() >= {"2 KiB": 2048.0, **page}.items()
    axes = plt.subplots()[1]
    assert iobench.plot(iobench.load(swept), axes) is axes


def test_constants_in_one_place_share_a_line(swept: Path) -> None:
    frame = iobench.load(swept)
    frame.attrs["host_constants"] = {"page": 4096, "pipe": 4200, "L1d cache": 8192, "L3 cache": 1 << 25}
    assert labels(iobench.plot(frame)) == {"page, pipe": 4096, "L1d cache": 8192}


def test_a_document_is_drawn_too(result: iobench.Document) -> None:
    assert list(curves(iobench.plot(result))) == ["readwrite"]


def test_looks_differ_without_colour(swept: Path) -> None:
    frame = iobench.load(swept).query("strategy == 'mmap'")
    copies = [frame.assign(strategy=f"strategy {index}") for index in range(7)]
    lines = [container.lines[0] for container in curves(iobench.plot(pd.concat(copies))).values()]
    assert len({line.get_marker() for line in lines}) == len({line.get_color() for line in lines}) == 7


def test_results_of_two_files_are_two_curves(swept: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(swept.read_bytes())
    names = [container.get_label() for container in iobench.plot(iobench.load(swept, other)).containers]
    assert len([name for name in names if str(name).startswith("mmap, ")]) == 2


@pytest.fixture(scope="session")
def deep(data: Path, binary: str) -> iobench.Document:
    """Return a sweep over depth and threads with latencies."""
    points = ("--strategy", "pread,io_uring", "-b", "1k", "--iodepth", "1..4", "--threads", "1,2", "--latency")
    return iobench.sweep(data, *points, "--largest-n", 6, binary=binary)


def test_the_widest_axis_is_x_and_the_rest_are_curves(deep: iobench.Document) -> None:
    frame = iobench.frame(deep)
    ax = iobench.plot(frame, quantity="p99")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth", "p99 latency (us)")
    names = [str(container.get_label()) for container in ax.containers]
    assert names == [
        "pread, 1 thread, n = 6",
        "pread, 2 threads, n = 6",
        "io_uring, 1 thread, n = 6",
        "io_uring, 2 threads, n = 6",
    ]
    line = ax.containers[2].lines[0]  # type: ignore[attr-defined]
    expected = frame.query("strategy == 'io_uring' and threads == 1").groupby("iodepth")["latency_p99_ns"].median()
    assert list(line.get_xdata()) == [1, 2, 4]
    assert np.allclose(line.get_ydata(), expected / 1000)


def test_threads_have_the_ideal_line(deep: iobench.Document) -> None:
    frame = iobench.frame(deep).query("strategy == 'pread'")
    ax = iobench.plot(frame, x="threads", quantity="iops")
    (ideal,) = [line for line in ax.lines if line.get_linestyle() == ":"]
    first = frame.query("threads == 1")["ios_per_second"].median()
    assert np.allclose(ideal.get_ydata(), [first, 2 * first])


def test_a_picture_is_that_of_the_program(deep: iobench.Document, tmp_path: Path) -> None:
    picture = iobench.picture(deep, kind="heatmap", y="iops", title="A title")
    assert picture._repr_svg_().count('class="cell"') == 2 + 6
    picture.save(tmp_path / "picture.svg")
    assert "A title" in (tmp_path / "picture.svg").read_text()
    with pytest.raises(iobench.RunError, match="use one of pread, io_uring"):
        iobench.picture(deep, kind="ratio", to="mmap")


def test_nothing_to_draw(swept: Path) -> None:
    with pytest.raises(ValueError, match="no measured sample"):
        iobench.plot(iobench.load(swept).assign(role="disturbed"))


def test_sizes_read_well() -> None:
    assert [bytes_label(size) for size in (512, 4096, 1280 << 10, 1 << 30)] == ["512 B", "4 KiB", "1.25 MiB", "1 GiB"]
