"""Both notebooks of this lab, run from end to end in one kernel (the answers run the lab), and what they must show.

Takes one to two minutes. What cannot be tested here is skipped with its reason; IOBENCH_REQUIRE names, with commas
between them, what must not be missing: lab (the package, cargo), root, bpftrace, btf, disk, or all.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib.image
import nbformat
import pytest
from nbclient import NotebookClient

LAB = Path(__file__).parents[1]
NAMES = ("lab1", "lab1-answers")
PARTS = range(1, 10)
PDFS = {"first-samples", "bandwidth", "cost-model", "rusage", "cold-warm", "probe-effect", "order", "bytes"}
NOT_ON_DISK = ("tmpfs", "ramfs")
# Runs after the last cell: what the cells found, as one line of JSON.
EVIDENCE = """
import json

print(json.dumps({
    "counts": counts.to_dict("records"),
    "faults": faults and faults["benchmark_samples"][0]["kernel"]["faults"],
    "effect": effect,
    "fstype": sweep["host_configuration"]["fstype"],
    "measured": sorted(summary.loc[summary["n"] > 0, "strategy"].unique()),
    "cold_warm": cold_warm[["cache", "resident_fraction_before", "device_fraction"]].to_dict("records"),
    "first": first[["treatment", "sample", "minor_faults", "inblock"]].to_dict("records"),
    "rusage": rusage[["run", "voluntary_switches"]].to_dict("records"),
}, default=int))
"""


def require(capability: str, present: bool, reason: str) -> None:
    """Skip the test if something is not present; fail where IOBENCH_REQUIRE asks for it."""
    if present:
        return
    required = os.environ.get("IOBENCH_REQUIRE", "").split(",")
    if capability in required or "all" in required:
        pytest.fail(f"IOBENCH_REQUIRE asks for {capability}: {reason}")
    pytest.skip(f"no {capability}: {reason}")


def read(name: str) -> nbformat.NotebookNode:
    """Return a notebook as committed."""
    return nbformat.read(LAB / f"{name}.ipynb", as_version=4)


def execute(notebook: nbformat.NotebookNode, folder: Path, **environment: str) -> nbformat.NotebookNode:
    """Run every cell; one that raises ends the test."""
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute(env=os.environ | environment)


def printed(cell: nbformat.NotebookNode) -> str:
    """Return what a cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this folder, so that the sources stay clean but for what `make -C io` puts there."""
    require("lab", importlib.util.find_spec("iobench") is not None, "pip install ./python")
    path = f"{os.environ['PATH']}:{Path.home()}/.cargo/bin"
    require("lab", shutil.which("cargo", path=path) is not None, "install Rust (https://rustup.rs)")
    docs = tmp_path_factory.mktemp("docs")
    shutil.copy(LAB.parent / "purity.md", docs)
    scratch = docs / "lab"
    scratch.mkdir()
    (scratch / "io").symlink_to(LAB / "io")
    for name in NAMES:
        shutil.copy(LAB / f"{name}.ipynb", scratch)
    return scratch


@pytest.fixture(scope="module")
def executed(folder: Path) -> nbformat.NotebookNode:
    """Return the answers with their outputs, those of the lab that they run too, and the evidence as the last cell."""
    notebook = read("lab1-answers")
    (lab,) = (cell for cell in notebook.cells if "%run lab1.ipynb" in cell.source)
    lab.source = lab.source.removeprefix("%%capture\n")
    notebook.cells.append(nbformat.v4.new_code_cell(EVIDENCE))
    return execute(notebook, folder)


@pytest.fixture(scope="module")
def evidence(executed: nbformat.NotebookNode) -> dict[str, Any]:
    """Return what the cells found."""
    found: dict[str, Any] = json.loads(printed(executed.cells[-1]))
    return found


@pytest.fixture
def traced(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return what the cells found, which includes traces."""
    require("root", os.geteuid() == 0, "tracing needs root")
    require("bpftrace", shutil.which("bpftrace") is not None, "install bpftrace")
    require("btf", Path("/sys/kernel/btf/vmlinux").is_file(), "tracing needs a kernel with BTF")
    return evidence


def require_disk(evidence: dict[str, Any]) -> None:
    """Skip where the page cache is the file itself."""
    require("disk", evidence["fstype"] not in NOT_ON_DISK, "files are never cold on a tmpfs: set TMPDIR to a folder on a disk")


@pytest.mark.parametrize("name", NAMES)
def test_committed_without_outputs(name: str) -> None:
    cells = code(read(name))
    assert len(cells) > 15
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    nbformat.validate(read(name))


def questions(name: str) -> dict[str, str]:
    """Return the questions by their identifiers; that of the cell and that in its text must agree."""
    found = {}
    for cell in read(name).cells:
        if cell.id.startswith("question-"):
            part, number = cell.id.removeprefix("question-").split("-")
            assert cell.source.startswith(f"**Q{part}.{number}** "), cell.id
            found[cell.id] = cell.source
    return found


def test_each_part_asks_two_to_four_questions() -> None:
    parts = [int(identifier.split("-")[1]) for identifier in questions("lab1")]
    assert parts == sorted(parts)
    assert [part for part in PARTS if 2 <= parts.count(part) <= 4] == list(PARTS)
    headings = [re.match(r"## (\d)\. ", cell.source) for cell in read("lab1").cells]
    assert [int(heading[1]) for heading in headings if heading] == list(PARTS)


def test_each_question_is_answered() -> None:
    assert questions("lab1-answers") == questions("lab1")
    cells = read("lab1-answers").cells
    for question, answer in zip(cells, cells[1:]):
        if question.id.startswith("question-"):
            assert answer.id == question.id.replace("question", "answer")
            assert answer.cell_type == "markdown" and len(answer.source) > 100


# The first that runs cells: like the first cells of the lab it runs io-benchmark, which the test of the lab's own
# cells, beside this one, must not see at its end.
def test_without_a_tracer_the_cells_say_so(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the cells call but a tracer. IPython takes the shell of SHELL.
    for program in ("sh", "tail"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    monkeypatch.delenv("SHELL", raising=False)
    notebook = read("lab1")
    wanted = ("imports", "create-run", "trace", "faults-run", "probe", "probe-figure")
    notebook.cells = [cell for cell in notebook.cells if cell.id in wanted]
    execute(notebook, folder, PATH=str(tmp_path))
    cells = {cell.id: cell for cell in notebook.cells}
    declared = printed(cells["trace"]).splitlines()
    assert declared[0].startswith("Not measured here: bpftrace failed")
    assert "docs/purity.md" in declared[1]
    assert "| `readwrite read -b 65536` | 16 x read | 1048576 | 0 |" in declared[2:]
    assert all(not cells[name].outputs or "Not measured here" in printed(cells[name]) for name in wanted[2:])


def test_figures_show(executed: nbformat.NotebookNode, evidence: dict[str, Any], folder: Path) -> None:
    wanted = PDFS if evidence["effect"] else PDFS - {"probe-effect"}
    outputs = [output.data for cell in code(executed) for output in cell.outputs if "data" in output]
    pictures = [data["image/png"] for data in outputs if "image/png" in data]
    assert len(pictures) == len(wanted)
    for picture in pictures:
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)))[:, :, :3]
        assert pixels.shape[1] > 600 and 0.02 < (pixels < 0.9).any(axis=2).mean() < 0.9
    assert {pdf.stem for pdf in folder.glob("*.pdf")} == wanted
    for pdf in folder.glob("*.pdf"):
        content = pdf.read_bytes()
        assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF") and len(content) > 4096


def test_strategies_are_measured(evidence: dict[str, Any]) -> None:
    assert {"null", "readwrite", "pread", "mmap"} <= set(evidence["measured"])


def test_cold_is_cold_and_warm_is_warm(evidence: dict[str, Any]) -> None:
    require_disk(evidence)
    rows = evidence["cold_warm"]
    cold = [row for row in rows if row["cache"] == "cold"]
    warm = [row for row in rows if row["cache"] == "warm"]
    assert len(cold) == len(warm) == 16
    assert all(row["resident_fraction_before"] < 0.05 and row["device_fraction"] > 0.95 for row in cold)
    assert all(row["resident_fraction_before"] == 1 for row in warm)


def test_only_the_first_sample_comes_from_disk(evidence: dict[str, Any]) -> None:
    require_disk(evidence)
    rows = [row for row in evidence["first"] if row["treatment"] == "first from disk"]
    blocks = [row["inblock"] for row in rows]
    assert len(blocks) == 10 and blocks[0] > 31_000 and max(blocks[1:]) < blocks[0]


def test_a_fresh_buffer_faults_in_every_sample(evidence: dict[str, Any]) -> None:
    faults = {row["treatment"]: [] for row in evidence["first"]}
    for row in evidence["first"]:
        faults[row["treatment"]].append(row["minor_faults"])
    assert all(count > 0 for count in faults["fresh buffer"]) and not any(faults["cached"])


def test_direct_sleeps_in_most_calls(evidence: dict[str, Any]) -> None:
    require_disk(evidence)
    sleeps = {row["run"]: row["voluntary_switches"] for row in evidence["rusage"]}
    # Of 1024 calls. A fast device answers some of them before the process has gone to sleep.
    assert sleeps["O_DIRECT, 4 KiB"] > 512 and sleeps["cached, 64 KiB"] < 50


def test_kernel_counts_what_is_declared(traced: dict[str, Any]) -> None:
    rows = {row["strategy"]: row for row in traced["counts"]}
    calls = {strategy: row["system calls"] for strategy, row in rows.items()}
    assert all(row["blocks"] == 256 for row in rows.values())
    assert calls.pop("io_uring", "8 x io_uring_enter") == "8 x io_uring_enter"
    assert calls == {
        "null": "none",
        "readwrite": "256 x read",
        "pread": "256 x pread64",
        "direct": "256 x pread64",
        "mmap": "none",
    }
    assert 0 < traced["faults"]["user"] <= 4096


def test_probe_effect_has_an_interval(traced: dict[str, Any]) -> None:
    effect = traced["effect"]
    assert len(effect["traced_seconds"]) == len(effect["untraced_seconds"]) == 10
    low, high = effect["ratio_interval"]
    assert low <= effect["ratio_median"] <= high
