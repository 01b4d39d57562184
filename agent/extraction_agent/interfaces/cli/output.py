"""What commands print: one JSON object for machines, a short table for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from extraction_agent.model import Summary

_UNWRAPPED = 1_000_000  # characters


def as_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


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


def summary(found: Summary, *, json: bool) -> None:
    """Print one extraction, for whoever asked."""
    if json:
        as_json(found.as_dict())
        return
    facts(
        {
            "extraction": found.extraction_id,
            "config": found.config,
            "status": str(found.status),
            "rows": found.rows,
            "bytes": found.bytes,
            "chunks": f"{found.chunks_done:,} of {found.chunks:,}",
            "seconds": f"{found.seconds:,.1f}",
            "rows/min": round(found.rows_per_minute),
            "error": found.error,
            "notes": found.notes,
        }
    )


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
