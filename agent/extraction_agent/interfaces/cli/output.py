"""What commands print: one JSON object for machines, a short table for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from extraction_agent.model import Summary


def as_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def facts(pairs: dict[str, Any]) -> None:
    """Print names and values, one a line; what is None or empty is left out."""
    from extraction_agent.interfaces.cli import tables  # noqa: PLC0415 - machines need none

    tables.facts(pairs)


def rows(names: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """Print a table; numbers to the right."""
    from extraction_agent.interfaces.cli import tables  # noqa: PLC0415 - machines need none

    tables.rows(names, values)


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
            "trouble": found.trouble,
            "notes": found.notes,
        }
    )
