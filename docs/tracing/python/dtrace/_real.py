"""Finds the real python-dtrace."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any


def consumer_thread() -> Any | None:
    """Return python-dtrace's DTraceConsumerThread, or None where there is none that works.

    python-dtrace is one module file named ``dtrace``; beside it on the path this package, a folder of
    the same name, wins the import. So the file has to be looked for by hand.
    """
    for folder in sys.path:
        for suffix in importlib.machinery.all_suffixes():
            file = Path(folder or ".", "dtrace" + suffix)
            if not file.is_file():
                continue
            spec = importlib.util.spec_from_file_location("dtrace", file)
            if spec is None or spec.loader is None:
                continue
            module = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
                return module.DTraceConsumerThread
            except (ImportError, AttributeError):
                # Built for another libdtrace, or somebody else's dtrace: the command still works.
                continue
    return None
