"""Sizes that a host treats in a special way: what the knee of a curve may come from. `iobench plot` has the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# pipe(7)
_PIPE_BYTES = 64 << 10

_PAGES = ("page", "huge page", "giant page")
_KEYS = {
    "L1d cache": "cpu_cache_l1d_bytes",
    "L2 cache": "cpu_cache_l2_bytes",
    "L3 cache": "cpu_cache_l3_bytes",
    "readahead": "device_read_ahead_bytes",
    "largest request": "device_max_request_bytes",
}


def common_constants(documents: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return what the hosts of all these documents have in common: a line holds for every curve."""
    first, *others = [_host_constants(document) for document in documents] or [{}]
    return {name: size for name, size in first.items() if all(other.get(name) == size for other in others)}


def _host_constants(document: Mapping[str, Any]) -> dict[str, int]:
    host = document.get("host_configuration")
    if not host:
        return {}
    pages = dict(zip(_PAGES, host["hw.pagesizes"] or [], strict=False))
    others = {name: host[key] for name, key in _KEYS.items() if host[key] is not None}
    return {**pages, **others, "pipe": _PIPE_BYTES}
