"""The pictures of `iobench plot` in a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._program import Argument, RunError, find

Result = str | os.PathLike[str] | Mapping[str, Any]


class Picture:
    """An SVG picture, which a notebook shows.

    svg -- its text.
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file."""
        Path(path).write_text(self.svg)


def picture(*results: Result, binary: Argument | None = None, **options: Argument | bool) -> Picture:
    """Draw results as `iobench plot` does.

    >>> picture("sweep.json", kind="cdf")
    >>> picture(iobench.sweep("iofile", "--iodepth", "1..32"), x="iodepth", y="p99", log_y=True)

    Results are files or documents. Options are those of `iobench plot --help`: kind ("curves", "samples", "cdf",
    "heatmap", "ratio"), x, y, series, to, log_y, knees, mark, title. Raises RunError with the program's sentence.
    """
    words = [word for name, value in options.items() for word in _option(name, value)]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "picture.svg")
        files = [_file(result, Path(folder, f"result-{index}.json")) for index, result in enumerate(results)]
        command = [find(binary), "plot", *files, *words, "-o", str(output)]
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise RunError(ended.stderr.strip(), ended.returncode)
        return Picture(output.read_text())


def _option(name: str, value: Argument | bool) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag] if value else []
    return [flag, str(value)]


def _file(result: Result, place: Path) -> str:
    if isinstance(result, Mapping):
        place.write_text(json.dumps(result))
        return str(place)
    return str(result)
