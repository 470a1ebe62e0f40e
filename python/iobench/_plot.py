"""The figure: a quantity over an axis, one curve per strategy and whatever else differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ._frame import COLUMN_OF_QUANTITY, NOT_COUNTED, Quantity, frame, summary

# Okabe & Ito, "Color Universal Design", 2008, without its yellow, which is too faint on paper. Markers and
# dashes differ too, for printing in grey. `iobench plot` has the same.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", ":", "-.", (0, (8, 3)))

# Unit of the axis, and how many of the column's units it is.
_UNITS: dict[Quantity, tuple[str, float]] = {
    "bandwidth": ("bandwidth (MiB/s)", 1 << 20),
    "iops": ("I/Os per second", 1),
    "time": ("time (s)", 1),
    "ns_per_io": ("time of an I/O (ns)", 1),
    "p50": ("p50 latency (us)", 1000),
    "p99": ("p99 latency (us)", 1000),
    "cpu": ("CPU time of an I/O (ns)", 1),
}

# The axes from left to right, and their labels.
X = Literal["block_bytes", "iodepth", "threads"]
_X_LABELS: dict[X, str] = {"block_bytes": "buffer size", "iodepth": "depth", "threads": "threads"}
# What tells curves apart, if it differs.
_VARYING = ("direction", "cache", "access", "block_bytes", "iodepth", "threads", "mix", "rate", "source")

# Constants nearer than this factor share a line: about the width of a letter.
_SAME_PLACE = 1.19
# More size labels than this would touch.
_MOST_LABELS = 9


def plot(
    frame_or_document: pd.DataFrame | Mapping[str, Any],
    ax: Axes | None = None,
    *,
    quantity: Quantity = "bandwidth",
    x: X | None = None,
    marks: Iterable[int] = (),
    constants: bool = True,
) -> Axes:
    """Draw medians with bars of their 95 % intervals, and every measured sample faintly.

    ax -- where to draw; None makes a new figure. `ax.figure.savefig("performance.pdf")` keeps it.
    quantity -- "bandwidth", "iops", "time" (of a sample), "ns_per_io", "p50", "p99" or "cpu" (per I/O); times are on
        a logarithmic axis, and the percentiles need --latency.
    x -- "block_bytes", "iodepth" or "threads"; None takes the one with the most values. Over threads, a dotted line
        is so many times the bandwidth of the first point as it has threads.
    marks -- buffer sizes in bytes to mark with a dotted line.
    constants -- whether to mark sizes that the host treats in a special way (page, caches, readahead).

    A strategy that performs no I/O measures the harness. It is drawn only if no other strategy was measured.
    Other differences, such as the cache state, give a curve each. `picture` draws panels, heatmaps, distributions and
    ratios. Raises ValueError if there is nothing to draw.
    """
    table = frame_or_document if isinstance(frame_or_document, pd.DataFrame) else frame(frame_or_document)
    measured = table[~table["role"].isin(NOT_COUNTED)]
    # Without -v it is unknown whether a strategy performs I/O; it is drawn then.
    with_io = measured[measured["performs_io"].fillna(True)]
    measured = measured if with_io.empty else with_io
    measured = measured[measured[COLUMN_OF_QUANTITY[quantity]].notna()]
    if measured.empty:
        raise ValueError(f"there is no measured sample to draw that has the {quantity}")
    over: X = x or _widest(measured)
    if ax is None:
        ax = plt.subplots(figsize=(8, 5), layout="constrained")[1]
    unit, scale = _UNITS[quantity]
    for index, (name, curve) in enumerate(_curves(measured, over)):
        _draw_curve(ax, index, name, curve, over, quantity, scale)
    _dress(ax, measured[over], over, quantity, unit)
    for size in marks:
        _draw_line(ax, size, bytes_label(size), linestyle=":", colour="black")
    if constants and over == "block_bytes":
        for place, names in _within(table.attrs.get("host_constants", {}), measured["block_bytes"]):
            _draw_line(ax, place, names, linestyle="-", colour="0.6")
    ax.legend(title="median, 95 % interval; dots: samples", fontsize="small", title_fontsize="small")
    return ax


def _is_depth_an_axis(measured: pd.DataFrame) -> bool:
    """Tell whether a strategy has several depths at one size; the default depth depends on the size."""
    depths = measured.groupby(["strategy", "block_bytes"], dropna=False)["iodepth"].nunique()
    return bool((depths > 1).any())


def _widest(measured: pd.DataFrame) -> X:
    """Return the numeric axis with the most values; of several, the first."""
    candidates: list[X] = ["block_bytes", "iodepth", "threads"]
    counts = {name: measured[name].nunique() for name in candidates}
    if not _is_depth_an_axis(measured):
        counts["iodepth"] = 1
    return max(candidates, key=lambda name: counts[name])


def _curves(measured: pd.DataFrame, x: X) -> list[tuple[str, pd.DataFrame]]:
    """Split into curves: by strategy, and by whatever else is not the same everywhere."""
    candidates = [name for name in _VARYING if name != x and (name != "iodepth" or _is_depth_an_axis(measured))]
    varying = [name for name in candidates if measured[name].nunique(dropna=False) > 1]
    by = ["strategy", *varying]
    curves = [curve for _, curve in measured.groupby(by, sort=False, dropna=False)]
    return [(_name(curve.iloc[0], by), curve) for curve in curves]


def _name(row: pd.Series[Any], by: list[str]) -> str:
    """Return the values that tell a curve apart."""
    words = {
        "block_bytes": lambda value: bytes_label(value),
        "iodepth": lambda value: f"depth {value}",
        "threads": lambda value: f"{value} thread{'' if value == 1 else 's'}",
        "mix": lambda value: f"{value} % reads",
        "rate": lambda value: f"{value} I/Os per second",
    }
    present = [name for name in by if not pd.isna(row[name])]
    return ", ".join(str(words.get(name, str)(row[name])) for name in present)


def _draw_curve(
    ax: Axes, index: int, name: str, curve: pd.DataFrame, x: X, quantity: Quantity, scale: float
) -> None:
    points = summary(curve, quantity=quantity, by=[x])
    again = index // len(_MARKERS)
    colour = _COLOURS[index % len(_COLOURS)]
    few, most = points["n"].min(), points["n"].max()
    count = str(most) if few == most else f"{few} to {most}"
    ax.plot(
        curve[x].astype(float), curve[COLUMN_OF_QUANTITY[quantity]] / scale,
        linestyle="none", marker=".", markersize=3, color=colour, alpha=0.3, zorder=2,
    )  # fmt: skip
    places = points[x].astype(float)
    if x == "threads" and quantity in ("bandwidth", "iops"):
        ideal = points["median"].iloc[0] * places / places.iloc[0] / scale
        ax.plot(places, ideal, color=colour, linestyle=":", linewidth=0.8, zorder=1)
    ax.errorbar(
        places,
        points["median"] / scale,
        yerr=[(points["median"] - points["low"]) / scale, (points["high"] - points["median"]) / scale],
        label=f"{name or 'samples'}, n = {count}",
        color=colour,
        marker=_MARKERS[index % len(_MARKERS)],
        markersize=5,
        markerfacecolor=colour if (index + again) % 2 == 0 else "white",
        linestyle=_DASHES[index % len(_DASHES)],
        linewidth=1.2,
        capsize=2,
        zorder=3,
    )


def _dress(ax: Axes, values: pd.Series[int], x: X, quantity: Quantity, unit: str) -> None:
    low, high = np.log2(values.min()), np.log2(values.max())
    step = max(1, int(np.ceil((high - low) / (_MOST_LABELS - 1))))
    ax.set_xscale("log", base=2)
    powers = [float(2**power) for power in range(int(low), int(high) + 1, step)]
    few = sorted(float(value) for value in values.unique())
    ax.xaxis.set_major_locator(FixedLocator(few if x != "block_bytes" and len(few) <= _MOST_LABELS else powers))
    ax.xaxis.set_minor_locator(NullLocator())
    label = bytes_label if x == "block_bytes" else "{:g}".format
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))
    ax.set_xlabel(_X_LABELS[x])
    ax.set_ylabel(unit)
    if quantity in ("bandwidth", "iops"):
        ax.set_ylim(bottom=0)
    else:
        ax.set_yscale("log")


def _within(constants: Mapping[str, int], sizes: pd.Series[int]) -> list[tuple[int, str]]:
    """Return the constants that lie among the sizes, ascending; those in the same place as one."""
    places: list[tuple[int, str]] = []
    for name, size in sorted(constants.items(), key=lambda constant: constant[1]):
        if not sizes.min() <= size <= sizes.max():
            continue
        if places and size < _SAME_PLACE * places[-1][0]:
            places[-1] = (places[-1][0], f"{places[-1][1]}, {name}")
        else:
            places.append((size, name))
    return places


def _draw_line(ax: Axes, size: float, label: str, *, linestyle: str, colour: str) -> None:
    ax.axvline(size, color=colour, linestyle=linestyle, linewidth=0.8, zorder=1)
    ax.annotate(
        label, (size, 1), xycoords=("data", "axes fraction"), xytext=(-2, -3), textcoords="offset points",
        rotation=90, horizontalalignment="right", verticalalignment="top", fontsize="x-small", color="0.3",
        zorder=4, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
    )  # fmt: skip


def bytes_label(size: float) -> str:
    """Return a number of bytes with its unit: 512 B, 4 KiB, 1.25 MiB."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
