"""What the dtrace command prints, turned back into keys and values.

DTrace on Linux has no structured output. Its default table is of fixed columns, though, which is what
this module relies on: a string key is two blanks and 50 columns, an integer key one blank and 3, 5, 8 or
16 columns by its size, a value one blank and 16 columns; a stack is a line a frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

# <sys/dtrace.h>: the number by which python-dtrace's callbacks know an aggregating function.
ACTIONS = {
    "count": 0x0701,
    "min": 0x0702,
    "max": 0x0703,
    "avg": 0x0704,
    "sum": 0x0705,
    "stddev": 0x0706,
    "quantize": 0x0707,
    "lquantize": 0x0708,
    "llquantize": 0x0709,
}


class Text(str):
    """A string key. python-dtrace hands over bytes: a script that decodes them works here too."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the string itself, which is decoded already."""
        return str(self)


Key = Union[int, Text, tuple[str, str]]
Distribution = list[tuple[tuple[int, int], int]]
Value = Union[int, Distribution]


@dataclass(frozen=True)
class Aggregation:
    """An aggregation of a script: its name, its number in order of appearance, its function."""

    name: str
    identifier: int
    function: str

    @property
    def action(self) -> int:
        """The number of the function, as the callbacks know it."""
        return ACTIONS[self.function]


def aggregations(script: str) -> list[Aggregation]:
    """Find the aggregations of a D script, each once, in order of appearance."""
    # Comments, strings and characters may hold an @ of their own.
    code = re.sub(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", " ", script, flags=re.DOTALL)
    found: dict[str, Aggregation] = {}
    for start in re.finditer(r"@(\w*)\s*", code):
        rest = _after_brackets(code[start.end() :])
        function = re.match(r"\s*=\s*(\w+)\s*\(", rest)
        name = start[1] or "_"  # DTrace's own name for @[...]
        if function and function[1] in ACTIONS and name not in found:
            found[name] = Aggregation(name, len(found) + 1, function[1])
    return list(found.values())


def _after_brackets(code: str) -> str:
    """Skip a [...] at the beginning, with the brackets nested in it."""
    depth = 0
    for at, letter in enumerate(code):
        depth += (letter == "[") - (letter == "]")
        if depth == 0:
            return code[at + 1 :] if letter == "]" else code
    return ""


_STRING_WIDTH = 2 + 50
_VALUE_WIDTH = 1 + 16
_INTEGER = re.compile(r" {1,16}-?\d+(?= |$)")
_FRAME = re.compile(r" {14}(?:(?P<module>\S*)`(?P<symbol>\S+?)|(?P<address>0x[0-9a-f]+))(?:\+0x[0-9a-f]+)?$")
_HEADER = re.compile(r" +value  -+ Distribution -+ count *$")
_ROW = re.compile(r" *(?P<edge><|>=)? *(?P<value>-?\d+) \|.{40} *(?P<count>-?\d+) *$")


def records(function: str, lines: list[str]) -> Iterator[tuple[list[Key], Value]]:
    """Yield the keys and the value of each line, or table, that DTrace printed for one aggregation."""
    scalar = "quantize" not in function
    keys: list[Key] = []
    rows: list[re.Match[str]] = []
    for line in lines:
        frame, row = _FRAME.match(line), _ROW.match(line)
        if row and not scalar:
            rows.append(row)
            continue
        if rows:
            yield keys, _distribution(function, rows)
            keys, rows = [], []
        if frame:
            keys.append((frame["module"] or "", frame["symbol"] or frame["address"]))
        elif scalar and line.strip():
            before, value = _split_value(line)
            keys += _columns(before)
            # Keys before a stack stand on a line of their own, without a value.
            if value is not None:
                yield keys, value
                keys = []
        elif not scalar and line and not _HEADER.match(line):
            keys += _columns(line)
    if rows:
        yield keys, _distribution(function, rows)


def _split_value(line: str) -> tuple[str, int | None]:
    """Cut the value off the end of a line."""
    for value in (line[-_VALUE_WIDTH:], line[line.rfind(" ") :]):
        if re.fullmatch(r" +-?\d+", value) and len(value) >= _VALUE_WIDTH:
            return line[: -len(value)], int(value)
    return line, None


def _columns(text: str) -> Iterator[Key]:
    """Take the columns of keys apart."""
    while text:
        field = text[:_STRING_WIDTH]
        integer = _INTEGER.match(text)
        whole = len(field) == _STRING_WIDTH
        # Two blanks, digits and then nothing to the end of a string's column: a string of digits.
        digits = integer and whole and re.fullmatch(r"  \d+ +", field)
        if integer and not digits:
            yield int(integer[0])
            text = text[integer.end() :]
        elif whole and text[_STRING_WIDTH : _STRING_WIDTH + 1] in ("", " "):
            yield Text(field[2:].rstrip())
            text = text[_STRING_WIDTH:]
        else:
            # Longer than its column: it pushes what follows to the right, integers at most.
            overflow = re.match(r" *(.*?)((?: +-?\d+)*)$", text)
            assert overflow is not None  # every part of it may be empty
            yield Text(overflow[1])
            text = overflow[2]


def _distribution(function: str, rows: list[re.Match[str]]) -> Distribution:
    """Turn a printed table into python-dtrace's list of ((lowest, highest), count)."""
    lows = [INT64_MIN if row["edge"] == "<" else int(row["value"]) for row in rows]
    counts = [int(row["count"]) for row in rows]
    if function == "quantize":
        # The buckets are the powers of two whatever the script says; python-dtrace has them all.
        printed = dict(zip(lows, counts))
        return [(bucket, printed.get(_printed_low(bucket), 0)) for bucket in _powers_of_two()]
    # A bucket ends where the next begins. The last row, where it is not the open end, is the empty one
    # that DTrace prints after the last: it only closes the one before.
    ends = [low - 1 for low in lows[1:]]
    if rows[-1]["edge"] == ">=":
        ends.append(INT64_MAX)
    return list(zip(zip(lows, ends), counts))


def _powers_of_two() -> list[tuple[int, int]]:
    """List the 127 buckets of quantize()."""
    positive = [(2**n, 2 ** (n + 1) - 1) for n in range(63)]
    return [(-high, -low) for low, high in reversed(positive)] + [(0, 0)] + positive


def _printed_low(bucket: tuple[int, int]) -> int:
    """The label of a bucket is its end nearer to zero."""
    return min(bucket, key=abs)
