"""Aggregations found in scripts, and tables read back."""

from __future__ import annotations

from dtrace._output import INT64_MAX, INT64_MIN, aggregations, records


def test_aggregations_in_order_each_once() -> None:
    script = """
        /* @not[1] = count(); */
        read:entry { @a[probefunc, x[arg0]] = count(); @ = sum(1); printf("@no = max(2)"); }
        write:entry { @a["]"] = count(); @q = quantize (arg2); printa(@a); clear(@q); }
    """
    found = [(a.name, a.identifier, a.function) for a in aggregations(script)]
    assert found == [("a", 1, "count"), ("_", 2, "sum"), ("q", 3, "quantize")]


def test_keys_of_each_size() -> None:
    lines = [
        "",
        "                                                     123456789        2                1",
        "  read                                                      1     5156                1",
        "  two  spaces here                                         -1       77                1",
        "    1962058771340   3 65531  x                                                                -7",
        "  1234567                                                           3",
    ]
    assert list(records("count", lines)) == [
        (["", 123456789, 2], 1),
        (["read", 1, 5156], 1),
        (["two  spaces here", -1, 77], 1),
        ([1962058771340, 3, 65531, "x"], -7),
        (["1234567"], 3),
    ]


def test_key_longer_than_its_column_and_value_too() -> None:
    key = "a-very-long-key-that-is-longer-than-fifty-characters-in-all-yes-it-is"
    assert list(records("max", [f"  {key}        5 12345678901234567"])) == [([key, 5], 12345678901234567)]


def test_value_without_keys() -> None:
    assert list(records("min", ["", "                3"])) == [([], 3)]
    assert list(records("min", ["              123"])) == [([], 123)]


def test_text_key_decodes_like_bytes() -> None:
    ((keys, _),) = records("count", ["  read" + " " * 47 + "               1"])
    assert keys[0] == "read" and keys[0].decode() == "read"


def test_stack_keys() -> None:
    lines = [
        "",
        "              vmlinux`vfs_read+0x54",
        "              vmlinux`ksys_read",
        "              0xffffffff81000000",
        "  k" + " " * 49 + "                4",
    ]
    assert list(records("count", lines)) == [
        ([("vmlinux", "vfs_read"), ("vmlinux", "ksys_read"), ("", "0xffffffff81000000"), "k"], 4)
    ]


HEADER = "           value  ------------- Distribution ------------- count    "


def row(label: str, count: int) -> str:
    return f"{label:>16} |{'@' * min(count, 40):<40} {count:<9}"


def test_quantize_has_all_buckets() -> None:
    key = "  read".ljust(52)
    lines = ["", key, HEADER, row("-4", 0), row("-2", 2), row("-1", 0), row("0", 1), row("1", 0), row("64", 5), ""]
    ((keys, value),) = records("quantize", lines)
    assert keys == ["read"] and isinstance(value, list)
    assert len(value) == 127 and value[0][0][0] < -(2**62) and value[-1][0] == (2**62, INT64_MAX)
    assert {bucket: n for bucket, n in value if n} == {(-3, -2): 2, (0, 0): 1, (64, 127): 5}


def test_lquantize_edges_and_two_tables() -> None:
    table = [HEADER, row("< 0", 1), row("0", 2), row("10", 0), row(">= 20", 3), ""]
    lines = ["  a".ljust(52) + "        1", *table, "  b".ljust(52) + "        2", *table]
    buckets = [((INT64_MIN, -1), 1), ((0, 9), 2), ((10, 19), 0), ((20, INT64_MAX), 3)]
    assert list(records("lquantize", lines)) == [(["a", 1], buckets), (["b", 2], buckets)]
