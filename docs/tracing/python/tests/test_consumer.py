"""The thread, on a stand-in for the command and on the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dtrace import _consumer, _real
from dtrace._consumer import DTraceConsumerThread, DTraceError

Fake = Callable[..., None]


def collect(script: str, between: Callable[[], Any] = lambda: None) -> dict[str, list[Any]]:
    """Run a script to its end; what each callback was given."""
    seen: dict[str, list[Any]] = {"chew": [], "chewrec": [], "out": [], "walk": []}
    thread = DTraceConsumerThread(
        script,
        chew_func=seen["chew"].append,
        chewrec_func=seen["chewrec"].append,
        out_func=seen["out"].append,
        walk_func=lambda *record: seen["walk"].append(record),
        sleep=1,
    )
    thread.start()
    between()
    thread.stop()
    thread.join()
    assert thread.stopped()
    return seen


def test_start_returns_only_when_attached(fake: Fake, tmp_path: Path) -> None:
    attached = tmp_path / "attached"
    fake(before=f"import time; time.sleep(1); open({str(attached)!r}, 'w')")
    collect("BEGIN {}", between=lambda: attached.read_bytes())


def test_callbacks(fake: Fake) -> None:
    fake(
        before="print('CPU     ID                    FUNCTION:NAME'); print('  1     7   read:entry hello')",
        after="print('  0      2       :END \\n' + mark + 'a\\n\\n  x' + ' ' * 49 + '               41\\n' + mark)",
    )
    seen = collect('read:entry { printf("hello"); @a["x"] = sum(41); }')
    assert seen == {"chew": [1], "chewrec": [0], "out": ["hello"], "walk": [(0x0705, 1, ["x"], 41)]}


def test_line_of_attachment_within_another(fake: Fake) -> None:
    fake(before="print('hel', end='', flush=True)", after="print('lo')")
    assert collect("BEGIN {}")["out"] == ["hello"]


def test_refused_script_raises_what_dtrace_said(fake: Fake) -> None:
    fake(before="sys.exit('dtrace: failed to compile script: line 1: no such probe')")
    with pytest.raises(DTraceError, match="line 1: no such probe"):
        collect("nonsense")


@pytest.mark.parametrize("after", ["print('dtrace: 12 drops on CPU 0', file=sys.stderr)", "sys.exit(3)"])
def test_loss_is_reported(fake: Fake, after: str) -> None:
    fake(after=after)
    with pytest.warns(RuntimeWarning, match="DTrace lost events: .*(12 drops|ended with 3)"):
        collect("BEGIN {}")


def test_a_script_may_end_by_itself(fake: Fake) -> None:
    fake(before="sys.exit()")
    collect("BEGIN { exit(0); }")


def test_systemtaps_dtrace_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impostor = tmp_path / "dtrace"
    impostor.write_text("#!/bin/sh\necho usage: dtrace -h -s file\n")
    impostor.chmod(0o755)
    monkeypatch.setenv("IOBENCH_DTRACE", str(impostor))
    with pytest.raises(DTraceError, match="IOBENCH_DTRACE names"):
        _consumer.find_dtrace()


def test_hands_over_to_python_dtrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert _real.consumer_thread() is None
    (tmp_path / "dtrace.py").write_text("raise ImportError('libdtrace is another')")
    assert _real.consumer_thread() is None
    (tmp_path / "dtrace.py").write_text("class DTraceConsumerThread: real = True")
    found = _real.consumer_thread()
    assert found is not None and found.real


# The declaration stands where only a script's file may have one.
EVERY_KIND = """
BEGIN { printf("hello\\n"); }
int global;
BEGIN { global = 1; @c["read", 1, pid] = count(); @c["two  spaces", -1, 77] = count(); @s[timestamp] = sum(-7); @mi = min(3); }
BEGIN { @av["q"] = avg(7); @av["q"] = avg(8); @ = max(9); @q["r"] = quantize(100); @q["r"] = quantize(-3); }
BEGIN { @l["r", 1] = lquantize(5, 0, 20, 10); @l["r", 1] = lquantize(-5, 0, 20, 10); exit(0); }
"""


def test_real_dtrace_every_kind(real: str) -> None:
    seen = collect(EVERY_KIND)
    assert seen["out"] == ["hello"] and len(seen["chew"]) >= 1
    by_identifier: dict[int, list[Any]] = {}
    for action, identifier, keys, value in seen["walk"]:
        by_identifier.setdefault(identifier, []).append((action, keys, value))
    counts = sorted((keys[:2], value) for _, keys, value in by_identifier[1])
    assert counts == [(["read", 1], 1), (["two  spaces", -1], 1)]
    assert [value for _, _, value in by_identifier[2]] == [-7]
    assert by_identifier[3] == [(0x0702, [], 3)]
    assert by_identifier[4] == [(0x0704, ["q"], 7)]
    assert by_identifier[5] == [(0x0703, [], 9)]
    ((_, keys, value),) = by_identifier[6]
    assert keys == ["r"] and [b for b in value if b[1]] == [((-3, -2), 1), ((64, 127), 1)]
    ((_, keys, value),) = by_identifier[7]
    assert keys == ["r", 1] and [n for _, n in value] == [1, 1] and value[1][0] == (0, 9)


def test_real_dtrace_refuses(real: str) -> None:
    with pytest.raises(DTraceError, match="does not match any probes"):
        collect("syscall::nosuch:entry { @ = count(); }")
