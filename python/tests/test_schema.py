"""Both versions of the document are read and give the same results.

The fixtures of version 1 were written by iobench 0.1.0 and cut down to a few samples per point; those of version 2 were
converted by hand. These tests need no program.
"""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import iobench
from iobench._schema import upgrade

FIXTURES = Path(__file__).with_name("fixtures")


def fixture(name: str) -> dict[str, Any]:
    """Return a document of the fixtures."""
    document: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return document


def drawn(document: dict[str, Any]) -> list[str]:
    """Return the strategies that the plot draws."""
    ax = iobench.plot(document)
    plt.close(ax.figure)  # type: ignore[arg-type]
    return [str(container.get_label()).split(",")[0] for container in ax.containers]


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_version_1_is_upgraded_to_version_2(name: str) -> None:
    document = fixture(f"{name}-v1")
    before = copy.deepcopy(document)
    assert upgrade(document) == fixture(f"{name}-v2")
    assert document == before


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_version_2_is_not_changed(name: str) -> None:
    assert upgrade(fixture(f"{name}-v2")) == fixture(f"{name}-v2")


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_both_versions_give_the_same_table(name: str) -> None:
    old, new = (iobench.load(FIXTURES / f"{name}-v{version}.json") for version in (1, 2))
    pd.testing.assert_frame_equal(old.drop(columns="source"), new.drop(columns="source"))
    assert old.attrs == new.attrs


@pytest.mark.parametrize("version", [1, 2])
def test_requested_and_granted_settings_have_columns(version: int) -> None:
    frame = iobench.frame(fixture(f"sweep-v{version}"))
    assert set(frame["access"]) == {"sequential"}
    assert not frame[["direct", "noatime"]].any(axis=None)
    assert dict(zip(frame["strategy"], frame["performs_io"], strict=True)) == {
        "null": False,
        "mmap": True,
        "io_uring": True,
    }


def test_granted_settings_are_those_of_the_record() -> None:
    document = fixture("run-v2")
    document["benchmark_configuration"]["granted"] |= {"direct": True, "noatime": True}
    assert iobench.frame(document)[["direct", "noatime"]].all(axis=None)


@pytest.mark.parametrize("version", [1, 2])
def test_the_plot_leaves_out_what_performs_no_io(version: int) -> None:
    document = fixture(f"sweep-v{version}")
    assert drawn(document) == ["mmap", "io_uring"]
    only_null = [run for run in document["runs"] if run["benchmark_configuration"]["strategy"] == "null"]
    assert drawn({**document, "runs": only_null}) == ["null"]


def test_the_plot_goes_by_the_property_and_not_by_the_name() -> None:
    document = fixture("sweep-v2")
    for run in document["runs"]:
        configuration = run["benchmark_configuration"]
        configuration["properties"]["performs_io"] = configuration["strategy"] != "mmap"
    assert drawn(document) == ["null", "io_uring"]


@pytest.mark.parametrize("version", [1, 2])
def test_a_run_without_configuration_is_read_and_drawn(version: int) -> None:
    document = fixture(f"run-v{version}")
    del document["benchmark_configuration"], document["host_configuration"]
    frame = iobench.frame(document)
    assert frame[["strategy", "access", "direct", "noatime", "performs_io"]].isna().all(axis=None)
    assert drawn(document) == ["samples"]


@pytest.mark.parametrize(("operation", "direction"), [("create", "write"), ("write", "write"), ("read", "read")])
def test_direction_of_an_operation(operation: str, direction: str) -> None:
    document = fixture("run-v1")
    document["benchmark_configuration"]["operation"] = operation
    assert upgrade(document)["benchmark_configuration"]["requested"]["direction"] == direction


def test_a_point_that_did_not_start_was_granted_nothing() -> None:
    document = fixture("sweep-v1")
    document["runs"][0]["benchmark_configuration"]["granted"] = None
    assert upgrade(document)["runs"][0]["benchmark_configuration"]["granted"] is None


@pytest.mark.parametrize("name", ["run-v1", "run-v2", "sweep-v1", "sweep-v2"])
def test_warnings_in_a_document_are_not_raised(name: str) -> None:
    document = fixture(name)
    if name.endswith("v2"):
        document["warnings"] = [{"kind": "drift", "message": "the machine became slower"}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not iobench.frame(document).empty


def test_an_error_may_say_where_it_happened() -> None:
    error = {"kind": "io", "message": "read: Input/output error", "exit_code": 74}
    where = {"operation": "read", "path": "iofile", "offset_bytes": 4096, "errno": 5}
    with pytest.warns(iobench.IncompleteWarning, match="ended early: read: Input/output error"):
        assert len(iobench.frame({**fixture("run-v2"), "error": error | where})) == 3


@pytest.mark.parametrize("version", [1, 2])
def test_the_program_may_print_either_version(version: int, tmp_path: Path) -> None:
    program = tmp_path / "iobench"
    program.write_text(f"#!/bin/sh\ncat '{FIXTURES / f'sweep-v{version}.json'}'\n")
    program.chmod(0o755)
    assert iobench.sweep("iofile", binary=program) == fixture("sweep-v2")


def test_unknown_versions_are_refused(tmp_path: Path) -> None:
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps({**fixture("run-v2"), "schema_version": 3}))
    with pytest.raises(iobench.UnknownSchema, match=r"newer\.json has schema_version 3, this package reads 1 and 2: "):
        iobench.load(newer)
    newer.write_text("datum:\n")
    with pytest.raises(iobench.UnknownSchema, match=r"newer\.json is not JSON"):
        iobench.load(newer)
    with pytest.raises(iobench.UnknownSchema, match="this document has no schema_version"):
        iobench.frame({"benchmark_samples": []})
    for version in (1, 2):
        with pytest.raises(iobench.UnknownSchema, match="this document holds no samples"):
            iobench.frame({"schema_version": version, "points": []})
