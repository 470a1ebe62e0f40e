"""DTrace from Python, as the lab uses it: ``from dtrace import DTraceConsumerThread``.

The python-dtrace package offers this class on FreeBSD, bound to the C library there; it does not build
against DTrace for Linux, whose C interface is another. This package has the same class and runs the
``dtrace`` command behind it. Where python-dtrace is installed too, its own class is handed over.
"""

from __future__ import annotations

from . import _consumer, _real
from ._consumer import DTraceError

DTraceConsumerThread = _real.consumer_thread() or _consumer.DTraceConsumerThread

__all__ = ["DTraceConsumerThread", "DTraceError"]
