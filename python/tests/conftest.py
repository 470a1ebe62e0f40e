"""What the tests share: the program, a file to run it on, and results that it really wrote."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

import iobench
from iobench import _program

matplotlib.use("agg")

QUICK = ("-B", "-t", "1M")


@pytest.fixture(scope="session")
def binary() -> str:
    """Return the program: IOBENCH, or one on the PATH."""
    try:
        return _program.find()
    except FileNotFoundError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, binary: str) -> Path:
    """Return a file of 1 MiB."""
    path = tmp_path_factory.mktemp("data") / "iofile"
    iobench.run("-c", "-t", "1M", path, binary=binary)
    return path


@pytest.fixture(scope="session")
def result(data: Path, binary: str) -> iobench.Document:
    """Return the document of three samples, with resource usage."""
    return iobench.run("-r", "-g", *QUICK, "-n", 3, "-b", 4096, data, binary=binary)


@pytest.fixture(scope="session")
def swept(data: Path, binary: str) -> Path:
    """Return the file with the result of a sweep: three strategies, five sizes."""
    kept = data.with_name("sweep.json")
    points = ("--strategy", "null,readwrite,mmap", "-b", "1k..16k", "-t", "64k")
    # As many samples as the interval of batches needs.
    options = (*points, "--precision", "0.1%", "--budget", "3s", "--largest-n", 33)
    iobench.sweep(data, *options, "-o", kept, binary=binary)
    return kept
