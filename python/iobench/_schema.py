"""Versions of the document. The package reads version 2; a version 1 document is brought into that form first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The version that the rest of the package reads, and all versions that `upgrade` accepts.
SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, SCHEMA_VERSION)

# Version 1 did not record how a strategy reaches the kernel. All strategies that are not listed make system calls.
_MECHANISMS = {"mmap": "mapping", "io_uring": "queue"}
# The one strategy of version 1 that performs no I/O.
_NULL_STRATEGY = "null"
# Version 1 never opened a file with O_NOATIME.
_NOATIME = False
# Version 1 recorded warnings as sentences without a kind.
_WARNING_KIND = "unspecified"


def upgrade(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version 1 document in the form of version 2, and any other document unchanged."""
    if document.get("schema_version") != 1:
        return dict(document)
    warnings = [{"kind": _WARNING_KIND, "message": sentence} for sentence in document.get("warnings", [])]
    upgraded = {**_upgrade_point(document), "schema_version": SCHEMA_VERSION, "warnings": warnings}
    if "runs" in document:
        upgraded["runs"] = [_upgrade_point(point) for point in document["runs"]]
    return upgraded


def _upgrade_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Upgrade the configuration of a point of a sweep, or of a plain run. Without -v a run has no configuration."""
    old = point.get("benchmark_configuration")
    if old is None:
        return dict(point)
    performs_io = old["strategy"] != _NULL_STRATEGY
    cpu = old["requested"]["cpu"]
    configuration = {key: value for key, value in old.items() if key not in ("access", "seed", "sync")}
    configuration["schema_version"] = SCHEMA_VERSION
    configuration["usage"] = any("utime" in sample for sample in point["benchmark_samples"])
    configuration["properties"] = {
        "performs_io": performs_io,
        "fills_buffer": performs_io,
        "mechanism": _MECHANISMS.get(old["strategy"], "call"),
    }
    configuration["requested"] = {
        **old["requested"],
        "cpu": int(cpu) if cpu.isdecimal() else cpu,
        "direction": "read" if old["operation"] == "read" else "write",
        "block_bytes": old["buffersize"],
        "total_bytes": old["totalsize"],
        "access": old["access"],
        "seed": old["seed"] or 0,
        "sync": old["sync"],
        "noatime": _NOATIME,
    }
    if old["granted"] is not None:
        configuration["granted"] = _upgrade_granted(old["granted"])
    return {**point, "benchmark_configuration": configuration}


def _upgrade_granted(old: Mapping[str, Any]) -> dict[str, Any]:
    """Move the details of a ring to where a strategy keeps its details. Without a ring they were null."""
    ring = ("ring_flags", "ring_registered")
    details = {key: old[key] for key in ring if old[key] is not None}
    return {**{key: value for key, value in old.items() if key not in ring}, "noatime": _NOATIME, "details": details}
