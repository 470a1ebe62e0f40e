"""Running the program, and what becomes of its errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import QUICK

import iobench
from iobench._schema import upgrade

pytestmark = pytest.mark.usefixtures("binary")


def test_run_returns_the_document(result: iobench.Document) -> None:
    assert result["benchmark_configuration"]["buffersize"] == 4096
    assert result["host_configuration"]["hw.ncpu"] > 0
    assert len(result["benchmark_samples"]) == 3


def test_error_is_the_programs_own_sentence(tmp_path: Path) -> None:
    with pytest.raises(iobench.RunError, match=r"missing: No such file .* \(exit code 66\)$") as caught:
        iobench.run("-r", *QUICK, tmp_path / "missing")
    assert caught.value.exit_code == 66
    assert caught.value.document is not None
    assert caught.value.document["error"]["message"] == caught.value.args[0]


def test_usage_error(data: Path) -> None:
    with pytest.raises(iobench.RunError, match="is not a multiple of buffersize") as caught:
        iobench.run("-r", *QUICK, "-b", 3, data)
    assert caught.value.exit_code == 64


def test_program_that_prints_no_document(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho went wrong >&2\nexit 3\n")
    other.chmod(0o755)
    with pytest.raises(iobench.RunError, match="^went wrong") as caught:
        iobench.run("-r", "iofile", binary=other)
    assert (caught.value.exit_code, caught.value.document) == (3, None)


def test_sweep_returns_what_it_keeps(data: Path, tmp_path: Path) -> None:
    kept = tmp_path / "sweep.json"
    options = ("--strategy", "readwrite", "-b", "64k", "-t", "1M", "--budget", "2s", "--largest-n", 10)
    document = iobench.sweep(data, *options, "-o", kept)
    assert [run["benchmark_configuration"]["buffersize"] for run in document["runs"]] == [65536]
    assert upgrade(json.loads(kept.read_text()))["runs"] == document["runs"]


def test_sweep_error(tmp_path: Path) -> None:
    with pytest.raises(iobench.RunError) as caught:
        iobench.sweep(tmp_path / "missing")
    assert caught.value.exit_code == 66


@pytest.mark.skipif(shutil.which("strace") is None, reason="install strace")
def test_trace_counts_every_read(data: Path) -> None:
    benchmark = ("-r", *QUICK, "-b", 65536, data)
    document = iobench.trace("--with", "strace", "--", *benchmark)
    (sample,) = document["benchmark_samples"]
    assert sample["kernel"]["syscalls"] == {"read": 16}
    thread = iobench.TraceThread("--with", "strace", "--", *benchmark)
    thread.start()
    assert thread.result["benchmark_samples"][0]["kernel"]["syscalls"] == {"read": 16}


def test_trace_thread_raises_where_the_result_is_asked_for(tmp_path: Path) -> None:
    thread = iobench.TraceThread("-r", tmp_path / "missing")
    thread.start()
    thread.join()
    with pytest.raises(iobench.RunError) as caught:
        _ = thread.result
    assert caught.value.exit_code in (66, 71)  # 71: the tracer itself cannot run here


def test_the_program_beside_the_notebook_comes_before_the_path(
    binary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IOBENCH", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="make -C io"):
        iobench.run("-r", "iofile")
    monkeypatch.setenv("PATH", str(Path(binary).parent))
    with pytest.raises(iobench.RunError):
        iobench.run("-r", "missing")
    (tmp_path / "io").mkdir()
    beside = tmp_path / "io" / "iobench"
    beside.write_text("#!/bin/sh\necho '{\"beside\": true}'\n")
    beside.chmod(0o755)
    assert iobench.run() == {"beside": True}
    monkeypatch.setenv("IOBENCH", "/nowhere")
    with pytest.raises(FileNotFoundError, match="/nowhere is no program"):
        iobench.run("-r", "iofile")
    assert iobench.run(binary=beside) == {"beside": True}
