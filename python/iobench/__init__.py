"""iobench from Python: run it, read what it wrote as a table, draw it.

>>> result = iobench.run("-r", "-n", 11, "-b", 65536, "iofile")
>>> frame = iobench.frame(result)
>>> iobench.plot(iobench.load("sweep.json"))
>>> iobench.picture("sweep.json", kind="heatmap")
"""

from __future__ import annotations

from ._frame import IncompleteWarning, UnknownSchema, frame, load, summary
from ._picture import Picture, picture
from ._plot import plot
from ._program import Document, RunError, TraceThread, run, sweep, trace

__all__ = [
    "Document",
    "IncompleteWarning",
    "Picture",
    "RunError",
    "TraceThread",
    "UnknownSchema",
    "frame",
    "load",
    "picture",
    "plot",
    "run",
    "summary",
    "sweep",
    "trace",
]
