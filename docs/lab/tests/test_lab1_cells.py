"""The code cells of the lab's notebook, as they are written, in order, in one kernel.

Takes three to six minutes: the sweep is of 25 sizes x 4 iterations with a pause of a second each, and DTrace needs
half a minute to take its probes away. Nothing else named io-benchmark may run while DTrace does, in the last minute,
since the lab's D script would count it.
"""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

LAB = Path(__file__).parents[1]
CELLS = Path(__file__).with_name("lab1-cells.ipynb")
SIZES = [2**v for v in range(25)]
# A cell of our own behind the lab's: a run that warns, read as the lab's sweep reads its runs.
SPARSE_CELL = """\
!truncate -s 16777216 sparsefile
output = !io/io-benchmark -b 4096 -j -n 2 -r -v sparsefile
print([warning["kind"] for warning in json.loads(' '.join(output))["warnings"]])"""


def counting_cell(threads: int) -> str:
    """Return the lab's cell that counts system calls with its D script; for several threads a cell of our own."""
    lab = nbformat.read(CELLS, as_version=4)
    source: str = cell(lab, "DTraceConsumerThread(io_syscall_script").source
    return source if threads == 1 else source.replace("io-benchmark -r", f"io-benchmark --threads {threads} -r")


def why_no_dtrace() -> str | None:
    """Return what DTrace lacks here; None if it can run."""
    if os.geteuid() != 0:
        return "DTrace needs root"
    if not Path("/sys/kernel/btf/vmlinux").is_file():
        return "DTrace needs a kernel with BTF"
    try:
        from dtrace import DTraceError, _consumer
    except ImportError:
        return "install docs/tracing/python"
    try:
        _consumer.find_dtrace()
    except DTraceError as reason:
        return str(reason)
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to run in: the sources stay clean but for what `make -C io` puts there."""
    scratch = tmp_path_factory.mktemp("lab")
    (scratch / "io").symlink_to(LAB / "io")
    return scratch


@pytest.fixture(scope="module")
def notebook(folder: Path) -> nbformat.NotebookNode:
    """Return the notebook with its outputs; a cell that raises ends the test."""
    notebook = nbformat.read(CELLS, as_version=4)
    save = next(cell for cell in notebook.cells if "savefig" in cell.source)
    assert save.source == '#plt.savefig("performance.pdf")'
    save.source = save.source.removeprefix("#")
    if why_no_dtrace():
        notebook.cells = notebook.cells[: notebook.cells.index(save) + 1]
    else:
        notebook.cells.append(nbformat.v4.new_code_cell(counting_cell(threads=2)))
    notebook.cells.append(nbformat.v4.new_code_cell(SPARSE_CELL))
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def cell(notebook: nbformat.NotebookNode, text: str) -> nbformat.NotebookNode:
    """Return the one cell that is, or else holds, this text."""
    exact = [cell for cell in notebook.cells if cell.source == text]
    (found,) = exact or [cell for cell in notebook.cells if text in cell.source]
    return found


def printed(notebook: nbformat.NotebookNode, text: str) -> str:
    """Return what the cell with this text printed."""
    return "".join(output.text for output in cell(notebook, text).outputs if output.output_type == "stream")


def pictures(notebook: nbformat.NotebookNode) -> list[np.ndarray]:
    """Return every figure that a cell showed, as red, green and blue from 0 to 1."""
    outputs = [output.data for cell in notebook.cells for output in cell.outputs if "data" in output]
    figures = [data for data in outputs if "image/png" in data]
    # What JupyterLab draws; without it the picture would be the one of another backend.
    assert all("application/vnd.jupyter.widget-view+json" in data for data in figures)
    streams = [io.BytesIO(base64.b64decode(data["image/png"])) for data in figures]
    return [matplotlib.image.imread(stream)[:, :, :3] for stream in streams]


def pixels(picture: np.ndarray, colour: tuple[float, float, float]) -> int:
    """Count the pixels of nearly this colour."""
    return int((np.abs(picture - colour).max(axis=2) < 0.1).sum())


def test_make_is_silent(notebook: nbformat.NotebookNode) -> None:
    # GNU make itself says which folder -C enters and leaves.
    said = printed(notebook, "!make -C io").splitlines()
    assert [line for line in said if "ing directory '" not in line] == []


def test_benchmark_runs(notebook: nbformat.NotebookNode) -> None:
    assert "io-benchmark" in printed(notebook, "!io/io-benchmark")
    document = json.loads(printed(notebook, "-b 262144 -g -j -v -n 2 -r iofile"))
    assert document["benchmark_configuration"]["buffersize"] == 262144
    assert len(document["benchmark_samples"]) == 2
    lab = {"bandwidth", "time", "utime", "stime", "inblock", "outblock"}
    assert all(lab <= sample.keys() for sample in document["benchmark_samples"])


def test_sweep_prints_every_size(notebook: nbformat.NotebookNode) -> None:
    lines = printed(notebook, "benchmark_strings = {}").splitlines()
    assert lines == ["Benchmark run starting", *(f"Buffer size:  {size}" for size in SIZES)]
    (done,) = (output for output in cell(notebook, "benchmark_strings = {}").outputs if "data" in output)
    assert done.data["text/plain"] == "'Benchmark run completed'"


def test_both_figures_show(notebook: nbformat.NotebookNode) -> None:
    curve, marked = pictures(notebook)
    blue, red, green = (0.12, 0.47, 0.71), (1, 0, 0), (0, 0.5, 0)
    assert pixels(curve, blue) > 500
    assert pixels(curve, red) == pixels(curve, green) == 0
    assert pixels(marked, red) > 50 and pixels(marked, green) > 50


def test_pdf_is_one(notebook: nbformat.NotebookNode, folder: Path) -> None:
    pdf = (folder / "performance.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF") and len(pdf) > 4096


@pytest.mark.skipif(bool(why_no_dtrace()), reason=str(why_no_dtrace()))
@pytest.mark.parametrize("threads", [1, 2])
def test_dtrace_counts_every_read(notebook: nbformat.NotebookNode, threads: int) -> None:
    lines = printed(notebook, counting_cell(threads)).splitlines()
    assert lines[0] == "Starting io-benchmark read performance measurement"
    assert "Number of  read  calls {} 32768" in lines
    assert lines[-1] == "Finished io-benchmark read performance measurement"


def test_json_parses_though_there_is_a_warning(notebook: nbformat.NotebookNode) -> None:
    assert printed(notebook, SPARSE_CELL).strip() == "['never_written']"
