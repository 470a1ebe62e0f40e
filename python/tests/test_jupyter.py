"""`%matplotlib notebook`, as the lab writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iobench import jupyter


class Shell:
    """What the extension asks of a shell."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.magics = {"matplotlib": self.asked.append}

    def find_line_magic(self, name: str) -> object:
        return self.magics[name]

    def register_magic_function(self, function: object, magic_kind: str, magic_name: str) -> None:
        assert magic_kind == "line"
        self.magics[magic_name] = function  # type: ignore[assignment]


@pytest.mark.parametrize(("said", "asked"), [("notebook", "widget"), (" notebook ", "widget"), ("inline", "inline")])
def test_notebook_means_widget(said: str, asked: str) -> None:
    shell = Shell()
    jupyter.load_ipython_extension(shell)
    shell.magics["matplotlib"](said)
    assert shell.asked == [asked]


def test_every_kernel_loads_it() -> None:
    settings = json.loads((Path(__file__).parents[1] / "ipython_kernel_config.json").read_text())
    assert settings == {"InteractiveShellApp": {"extensions": [jupyter.__name__]}}
