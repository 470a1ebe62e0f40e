"""DTraceConsumerThread, with the dtrace command behind it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import uuid
import warnings
from pathlib import Path
from typing import Any, Callable

from ._output import Aggregation, aggregations, records

# What <sys/dtrace.h> calls no action: the command does not say which one printed.
_ACTION_NONE = 0

# What the command prints before the text of a probe that fired: processor, number, function:name.
_PREFIX = re.compile(r" *(?P<cpu>\d+) +\d+ +\S*:\S* ?(?P<text>.*)", re.DOTALL)
# The clause that prints the aggregations begins with a line of its own.
_OWN_END = re.compile(r" *\d+ +\d+ +:END ?$")
_HEADER = re.compile(r"CPU +ID +FUNCTION:NAME\s*$")


class DTraceError(Exception):
    """DTrace is not there, or cannot do what the script asks for."""


def simple_chew(cpu: int) -> None:
    """Print on which processor a probe fired."""
    print("Running on CPU:", cpu)


def simple_chewrec(action: int) -> None:
    """Print which action ran."""
    print("Called action was:", action)


def simple_out(value: str) -> None:
    """Print what the script printed."""
    print("Value is:", value)


def simple_walk(action: int, identifier: int, keys: list[Any], value: Any) -> None:
    """Print one record of an aggregation."""
    print(action, identifier, keys, value)


def _ignore(*_: Any) -> None:
    """Stand in for a callback that is None."""


class DTraceConsumerThread(threading.Thread):
    """Runs a D script in the background; same parameters and callbacks as python-dtrace's class.

    script -- the D script.
    chew_func(cpu) -- called when a probe that prints has fired.
    chewrec_func(action) -- called after it; the command does not tell the action, so it is always 0.
    out_func(value) -- called with each line that the script prints.
    walk_func(action, identifier, keys, value) -- called for each record of each aggregation: number of
        the aggregating function, number of the aggregation in the script, keys, and the value, which for
        quantize and its kin is a list of ((lowest, highest), count).
    None is a callback that does nothing.

    Two things differ from python-dtrace, both because a command stands behind it. start() returns once
    the probes are attached, so that a program started next is seen from its first instruction; and
    aggregations are walked once, after stop(), so join() before reading what they brought. `consume` and
    `sleep`, which tell python-dtrace when to walk in between, change nothing.

    chew_func and chewrec_func stay silent when the script sets the option quiet: the command then does
    not say which probe fired.
    """

    def __init__(
        self,
        script: str,
        consume: bool = True,
        chew_func: Callable[[int], Any] | None = simple_chew,
        chewrec_func: Callable[[int], Any] | None = simple_chewrec,
        out_func: Callable[[str], Any] | None = simple_out,
        walk_func: Callable[..., Any] | None = simple_walk,
        sleep: float = 0,
    ) -> None:
        super().__init__()
        self.consume = consume
        self.sleep_time = sleep
        self._chew = chew_func or _ignore
        self._chewrec = chewrec_func or _ignore
        self._out = out_func or _ignore
        self._walk = walk_func or _ignore
        self._should_stop = threading.Event()
        self._attached = threading.Event()  # or ended before
        self._was_attached = False
        self._aggregations = aggregations(script)
        # Unlike anything that a script prints.
        mark = uuid.uuid4().hex
        self._ready = f"attached-{mark}\n"
        self._results = f"aggregation-{mark} "
        self._script = script + self._print_all()
        self._process: subprocess.Popen[str] | None = None
        # A file and not a pipe: nobody reads it before the end, and a pipe can fill up.
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it lives as long as the thread)

    def _print_all(self) -> str:
        """The clause that prints every aggregation under its name, whatever the script prints itself."""
        prints = "".join(
            f'printf("\\n{self._results}{aggregation.name}\\n"); printa(@{aggregation.name}); '
            for aggregation in self._aggregations
        )
        return f'\ndtrace:::END {{ {prints}printf("\\n{self._results}\\n"); }}\n'

    def start(self) -> None:
        """Start DTrace and return when its probes are attached.

        DTrace starts the command of -c once everything is attached. That command is a cat: the line it is
        fed comes back when DTrace is ready, and closing its input ends it and so DTrace, without a signal
        and even when this process dies.
        """
        # A file: the command reads a script given in an argument by another grammar, without declarations.
        with tempfile.NamedTemporaryFile("w", suffix=".d") as script:
            script.write(self._script)
            script.flush()
            self._process = subprocess.Popen(
                [find_dtrace(), "-s", script.name, "-c", "cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                text=True,
                errors="replace",
            )
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # It has died at once: run() sees its end.
                self._process.stdin.write(self._ready)
                self._process.stdin.flush()
            super().start()
            self._attached.wait()
        if not self._was_attached and self._process.returncode != 0:
            self.join()
            raise DTraceError(self._complaint() or f"dtrace ended with {self._process.returncode}")

    def run(self) -> None:
        """Hand on what DTrace prints until it ends."""
        assert self._process is not None and self._process.stdout is not None
        current: Aggregation | None = None
        tables: dict[Aggregation, list[str]] = {}
        by_name = {aggregation.name: aggregation for aggregation in self._aggregations}
        at_results = False
        text = ""
        for line in self._process.stdout:
            # cat's line may land in the middle of one of DTrace's; without it, that one is whole again.
            if self._ready in line:
                self._was_attached = True
                self._attached.set()
            text += line.replace(self._ready, "")
            if not text.endswith("\n"):
                continue
            line, text = text[:-1], ""
            if line.startswith(self._results):
                at_results = True
                current = by_name.get(line[len(self._results) :])
            elif current is not None:
                tables.setdefault(current, []).append(line)
            elif not at_results:
                self._printed(line)
        self._process.wait()
        self._attached.set()
        for aggregation, lines in tables.items():
            for keys, value in records(aggregation.function, lines):
                self._walk(aggregation.action, aggregation.identifier, keys, value)
        if self._was_attached:
            self._warn_of_loss()

    def _printed(self, line: str) -> None:
        """Hand on one line from before the aggregations."""
        if _HEADER.match(line) or _OWN_END.match(line):
            return
        fired = _PREFIX.fullmatch(line)
        if fired:
            self._chew(int(fired["cpu"]))
            self._chewrec(_ACTION_NONE)
            line = fired["text"]
        if line.strip():
            self._out(line.strip())

    def stop(self) -> None:
        """Ask DTrace to end. It prints its aggregations then: join() waits for that."""
        self._should_stop.set()
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # The script has ended by itself.
                self._process.stdin.close()

    def stopped(self) -> bool:
        """Tell whether stop() was called."""
        return self._should_stop.is_set()

    def _complaint(self) -> str:
        """What DTrace wrote on its standard error, without its reports of success."""
        self._complaints.seek(0)
        lines = self._complaints.read().splitlines()
        return "\n".join(line for line in lines if line.strip() and not re.search(r" matched \d+ probe", line))

    def _warn_of_loss(self) -> None:
        """Say so when DTrace lost events or failed half-way: the figures are then too small."""
        assert self._process is not None
        lost = re.findall(r"^.*(?:\bdrops?\b|error on enabled).*$", self._complaint(), re.MULTILINE)
        if self._process.returncode != 0:
            lost.append(f"dtrace ended with {self._process.returncode}")
        if lost:
            warnings.warn("DTrace lost events: " + "; ".join(lost), RuntimeWarning, stacklevel=2)


def find_dtrace() -> str:
    """Return the dtrace command: $IOBENCH_DTRACE, else the system's, else the one fetch-dtrace.sh fetched."""
    named = os.environ.get("IOBENCH_DTRACE")
    if named:
        if _is_dtrace(named):
            return named
        raise DTraceError(f"IOBENCH_DTRACE names {named}, which does not answer -V as DTrace does")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    for command in (shutil.which("dtrace", path=path), Path(cache, "iobench", "dtrace", "dtrace")):
        if command and _is_dtrace(str(command)):
            return str(command)
    raise DTraceError("there is no dtrace command: run docs/tracing/fetch-dtrace.sh, or name one in IOBENCH_DTRACE")


def _is_dtrace(command: str) -> bool:
    """Tell DTrace from SystemTap's script of the same name, which only makes header files."""
    try:
        answer = subprocess.run([command, "-V"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return re.match(r"dtrace: .*\bD \d", answer.stdout) is not None
