"""What the tests share: a dtrace that is none, and the real one where it can run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dtrace import _consumer

# Answers -V, "attaches", starts the command behind -c as DTrace does, waits for it, prints.
FAKE = """#!/usr/bin/env python3
import re, subprocess, sys
if sys.argv[1:] == ["-V"]:
    print("dtrace: D 2.0.7")
    sys.exit()
script = open(sys.argv[sys.argv.index("-s") + 1]).read()
mark = re.search(r"aggregation-[0-9a-f]+ ", script)[0]
{before}
subprocess.run([sys.argv[sys.argv.index("-c") + 1]])
{after}
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a stand-in with the given Python lines behind IOBENCH_DTRACE."""

    def put(before: str = "", after: str = "") -> None:
        command = tmp_path / "dtrace"
        command.write_text(FAKE.format(before=before, after=after))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("IOBENCH_DTRACE", str(command))

    return put


@pytest.fixture(scope="session")
def real() -> str:
    """The real dtrace command; skips where there is none or nobody may use it."""
    if os.geteuid() != 0:
        pytest.skip("DTrace needs root")
    try:
        return _consumer.find_dtrace()
    except _consumer.DTraceError as reason:
        pytest.skip(str(reason))
