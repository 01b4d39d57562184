"""The bar on a terminal, on stderr. Loaded where there is one."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from extraction_agent.interfaces.cli.progress import Shown
from extraction_agent.model import Summary


class Bar(Shown):
    """How far an extraction is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", label="", facts="", total=None)

    def show(self, summary: Summary) -> None:
        self._progress.update(
            self._task,
            completed=summary.chunks_done,
            total=summary.chunks,
            label=f"extraction {summary.extraction_id}",
            facts=f"{summary.rows:,} rows {summary.rows_per_minute:,.0f}/min",
        )

    def say(self, sentence: str) -> None:
        self._progress.console.print(sentence, markup=False, highlight=False)


@contextmanager
def shown() -> Iterator[Bar]:
    """The bar, gone at the end."""
    columns = (
        TextColumn("{task.fields[label]}"),
        BarColumn(bar_width=None),  # what the others leave
        TaskProgressColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as progress:
        yield Bar(progress)
