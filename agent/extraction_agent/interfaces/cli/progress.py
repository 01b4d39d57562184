"""Shows how far an extraction is: a bar on a terminal, lines on anything else, JSON for machines."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from extraction_agent.interfaces.cli import output
from extraction_agent.model import Summary

_LINE = 5.0  # s, between two lines where there is no terminal


class Shown:
    """Shows nothing but what is said."""

    def show(self, summary: Summary) -> None:
        """How far it is now."""

    def say(self, sentence: str) -> None:
        """What whoever waits should know."""
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()


class JsonLines(Shown):
    """One JSON object a line on stdout, whenever something has moved."""

    def __init__(self) -> None:
        self._last: object = None

    def show(self, summary: Summary) -> None:
        moved = (
            summary.status,
            summary.rows,
            summary.chunks,
            summary.chunks_done,
            summary.error,
            summary.trouble,
            summary.notes,
        )
        if moved != self._last:
            self._last = moved
            output.as_json(summary.as_dict())
            sys.stdout.flush()


class _Lines(Shown):
    """One line every few seconds, on stderr."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, summary: Summary) -> None:
        if time.monotonic() - self._last >= _LINE:
            self._last = time.monotonic()
            percent = 100 * summary.chunks_done // max(summary.chunks, 1)
            self.say(f"extraction {summary.extraction_id}: {percent} %, {_facts(summary)}{_remaining(summary)}")


@contextmanager
def for_people() -> Iterator[Shown]:
    """A bar or lines, as stderr can show."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _Lines()
        return
    from extraction_agent.interfaces.cli import bar  # noqa: PLC0415 - machines need none

    with bar.shown() as shown:
        yield shown


def _facts(summary: Summary) -> str:
    return (
        f"{summary.rows:,} rows, {summary.rows_per_minute:,.0f} rows/min, "
        f"chunks {summary.chunks_done:,} of {summary.chunks:,} done, {summary.chunks_running} in flight"
    )


def _remaining(summary: Summary) -> str:
    if not summary.chunks_done:
        return ""
    seconds = summary.seconds / summary.chunks_done * (summary.chunks - summary.chunks_done)
    return f", about {seconds:,.0f} s left"
