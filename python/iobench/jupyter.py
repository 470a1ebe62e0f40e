"""Makes the lab's `%matplotlib notebook` draw in JupyterLab.

Matplotlib's own backend of that name speaks to the classic notebook, and shows nothing but a script error
in JupyterLab. ipympl is the same figure for both. Installing this package loads this extension into every
kernel of its environment (ipython_kernel_config.json); elsewhere, `%load_ext iobench.jupyter` does.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Put ipympl behind `%matplotlib notebook`; every other `%matplotlib` stays what it is."""
    original = shell.find_line_magic("matplotlib")

    def magic(line: str) -> Any:
        return original("widget" if line.strip() == "notebook" else line)

    magic.__doc__ = original.__doc__
    shell.register_magic_function(magic, magic_kind="line", magic_name="matplotlib")
