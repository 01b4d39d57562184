"""Tables for people, as wide as their terminal. Loaded when there is one to print: rich is a tenth of a start."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNWRAPPED = 1_000_000  # characters


def facts(pairs: dict[str, Any]) -> None:
    """Print names and values, one a line; what is None or empty is left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in pairs.items():
        if value not in (None, "", [], {}):
            shown = (
                "\n".join(map(str, value))
                if isinstance(value, list)
                else f"{value:,}"
                if isinstance(value, int)
                else value
            )
            table.add_row(Text(name, style="dim"), Text(str(shown)))
    _print(table)


def rows(names: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """Print a table; numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    listed = [tuple(value) for value in values]
    for position, name in enumerate(names):
        numeric = bool(listed) and all(isinstance(row[position], int | float) for row in listed)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int | float) else str(cell)) for cell in row))
    _print(table)


def _print(table: Table) -> None:
    """As wide as a terminal; on anything else unwrapped, without spaces at the ends."""
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    console.width = _UNWRAPPED
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
