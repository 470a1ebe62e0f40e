"""Running the program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._schema import upgrade

Document = dict[str, Any]
Argument = str | int | float | os.PathLike[str]


class RunError(Exception):
    """The program ended with an error; its text is the program's own sentence.

    exit_code -- the program's: 64 usage, 66 path, 71 system call, 74 I/O error, 130 Ctrl-C; negative is the
        number of the signal that ended it.
    document -- what was measured until then; None if the program printed no document.
    """

    def __init__(self, sentence: str, exit_code: int, document: Document | None = None) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
        self.document = document

    def __str__(self) -> str:
        """Return the sentence, and how the program ended."""
        return f"{self.args[0]} (exit code {self.exit_code})"


def run(*arguments: Argument, binary: Argument | None = None) -> Document:
    """Run a benchmark with the lab's arguments and return its document.

    >>> run("-r", "-b", 65536, "-n", 11, "iofile")["benchmark_samples"][0]["time"]

    The flags -j and -v (which -c implies) are added: the document then says what was run, and where. A document of
    schema version 1 is returned in the form of version 2.

    The program is `binary`, else the one named in the environment variable IOBENCH, else ./io/iobench, else the one
    on the PATH.
    """
    return _document(binary, ["-j", *_verbose(arguments), *arguments])


def sweep(path: Argument, *arguments: Argument, binary: Argument | None = None) -> Document:
    """Sweep strategies and buffer sizes over the file at `path` and return the document.

    >>> sweep("iofile", "--strategy", "readwrite,mmap", "-b", "512..1M", "--budget", "30s")

    A sweep takes as long as its --budget says. "-o", FILE keeps the result in a file as well, round by round.
    """
    return _document(binary, ["sweep", "-j", *arguments, path])


def trace(*arguments: Argument, binary: Argument | None = None) -> Document:
    """Run a benchmark under a kernel tracer and return its document; needs root, but for --with strace.

    >>> trace("-r", "-b", 512, "iofile")["benchmark_samples"][0]["kernel"]["syscalls"]
    {'read': 32768}
    >>> trace("--show", "latency", "--", "-r", "-b", 512, "iofile")

    What stands before a "--" is for the tracer: `iobench trace --help` lists it.
    """
    at = arguments.index("--") if "--" in arguments else None
    options, benchmark = ((), arguments) if at is None else (arguments[:at], arguments[at + 1 :])
    return _document(binary, ["trace", "-j", *options, "--", *_verbose(benchmark), *benchmark])


class TraceThread(threading.Thread):
    """Runs `trace` while the notebook goes on.

    >>> thread = TraceThread("--script", "mine.bt", "--", "-r", "-b", 512, "iofile")
    >>> thread.start()
    >>> ...
    >>> thread.result["trace"]["output"]
    """

    def __init__(self, *arguments: Argument, binary: Argument | None = None) -> None:
        super().__init__()
        self._arguments = arguments
        self._binary = binary
        self._document: Document | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Trace, and keep what came of it."""
        try:
            self._document = trace(*self._arguments, binary=self._binary)
        except Exception as error:  # noqa: BLE001 (raised again by whoever asks for the result)
            self._error = error

    @property
    def result(self) -> Document:
        """The document; waits for the end, and raises here what `trace` raised."""
        self.join()
        if self._document is None:
            assert self._error is not None
            raise self._error
        return self._document


def _verbose(arguments: Sequence[Argument]) -> list[str]:
    """Return -v, unless this is create mode, which implies it and refuses to be told."""
    creates = any(str(word) == "create" or re.fullmatch("-[A-Za-z]*c[A-Za-z]*", str(word)) for word in arguments)
    return [] if creates else ["-v"]


def _document(binary: Argument | None, arguments: list[Argument]) -> Document:
    command = [find(binary), *(str(argument) for argument in arguments)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        document: Document = upgrade(json.loads(ended.stdout))
    except json.JSONDecodeError:
        sentence = ended.stderr.strip() or ended.stdout.strip() or f"{command[0]} printed nothing"
        raise RunError(sentence, ended.returncode) from None
    error = document.get("error")
    if error is not None or ended.returncode != 0:
        sentence = error["message"] if error else ended.stderr.strip()
        raise RunError(sentence, ended.returncode, document)
    return document


def find(binary: Argument | None = None) -> str:
    """Return the program: `binary`, else $IOBENCH, else ./io/iobench, else the one on the PATH."""
    named = str(binary) if binary is not None else os.environ.get("IOBENCH")
    beside = Path("io", "iobench")
    candidates = [named] if named else [str(beside.absolute()), "iobench"]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            return found
    if named:
        raise FileNotFoundError(f"{named} is no program: name iobench's in binary= or in IOBENCH")
    raise FileNotFoundError(f"there is no {beside} and no iobench on the PATH: build it with `make -C io`")
