"""The figure: a quantity over the buffer size, one curve a strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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
    "time": ("time (s)", 1),
    "ns_per_io": ("time of an I/O (ns)", 1),
}

# Constants nearer than this factor share a line: about the width of a letter.
_SAME_PLACE = 1.19
# More size labels than this would touch.
_MOST_LABELS = 9


def plot(
    frame_or_document: pd.DataFrame | Mapping[str, Any],
    ax: Axes | None = None,
    *,
    quantity: Quantity = "bandwidth",
    marks: Iterable[int] = (),
    constants: bool = True,
) -> Axes:
    """Draw medians with bars of their 95 % intervals, and every measured sample faintly.

    ax -- where to draw; None makes a new figure. `ax.figure.savefig("performance.pdf")` keeps it.
    quantity -- "bandwidth", "time" (of a sample) or "ns_per_io"; the two times on a logarithmic axis.
    marks -- buffer sizes in bytes to mark with a dotted line.
    constants -- whether to mark sizes that the host treats in a special way (page, caches, readahead).

    A strategy that performs no I/O measures the harness. It is drawn only if no other strategy was measured.
    Raises ValueError if there is nothing to draw.
    """
    table = frame_or_document if isinstance(frame_or_document, pd.DataFrame) else frame(frame_or_document)
    measured = table[~table["role"].isin(NOT_COUNTED)]
    # Without -v it is unknown whether a strategy performs I/O; it is drawn then.
    with_io = measured[measured["performs_io"].fillna(True)]
    measured = measured if with_io.empty else with_io
    if measured.empty:
        raise ValueError("there is no measured sample to draw")
    if ax is None:
        ax = plt.subplots(figsize=(8, 5), layout="constrained")[1]
    unit, scale = _UNITS[quantity]
    for index, (name, curve) in enumerate(_curves(measured)):
        _draw_curve(ax, index, name, curve, quantity, scale)
    _dress(ax, measured["block_bytes"], quantity, unit)
    for size in marks:
        _draw_line(ax, size, bytes_label(size), linestyle=":", colour="black")
    if constants:
        for place, names in _within(table.attrs.get("host_constants", {}), measured["block_bytes"]):
            _draw_line(ax, place, names, linestyle="-", colour="0.6")
    ax.legend(title="median, 95 % interval; dots: samples", fontsize="small", title_fontsize="small")
    return ax


def _curves(measured: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split into curves: by strategy, and by whatever else is not the same everywhere."""
    varying = [name for name in ("direction", "cache", "access", "source") if measured[name].nunique(dropna=False) > 1]
    by = ["strategy", *varying]
    curves = [curve for _, curve in measured.groupby(by, sort=False, dropna=False)]
    return [(", ".join(curve[by].iloc[0].dropna()), curve) for curve in curves]


def _draw_curve(ax: Axes, index: int, name: str, curve: pd.DataFrame, quantity: Quantity, scale: float) -> None:
    points = summary(curve, quantity=quantity, by=["block_bytes"])
    again = index // len(_MARKERS)
    colour = _COLOURS[index % len(_COLOURS)]
    few, most = points["n"].min(), points["n"].max()
    count = str(most) if few == most else f"{few} to {most}"
    ax.plot(
        curve["block_bytes"], curve[COLUMN_OF_QUANTITY[quantity]] / scale,
        linestyle="none", marker=".", markersize=3, color=colour, alpha=0.3, zorder=2,
    )  # fmt: skip
    ax.errorbar(
        points["block_bytes"],
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


def _dress(ax: Axes, sizes: pd.Series[int], quantity: Quantity, unit: str) -> None:
    low, high = np.log2(sizes.min()), np.log2(sizes.max())
    step = max(1, int(np.ceil((high - low) / (_MOST_LABELS - 1))))
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(FixedLocator([float(2**power) for power in range(int(low), int(high) + 1, step)]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: bytes_label(size)))
    ax.set_xlabel("buffer size")
    ax.set_ylabel(unit)
    if quantity == "bandwidth":
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
