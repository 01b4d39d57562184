"""Works on one extraction until it ends, and shows how far it is."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from extraction_agent import deadlines, errors
from extraction_agent.jobs import Agent
from extraction_agent.model import Status, Summary
from extraction_agent.pipeline.start import Started
from extraction_agent.profiles import Settings
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources.protocol import Source
from extraction_agent.store.store import Store

_LOOK = 0.5  # s, between two looks at the extraction
_LINE = 5.0  # s, between two lines where there is no terminal

Show = Callable[[Summary], None]


def work_off(
    store_url: str, source: Source, started: Started, settings: Settings, longest_snapshot: float, *, quiet: bool
) -> Summary:
    """Work on an extraction that has just been started, holding its snapshot."""
    with own_agent(store_url, source, settings, started.extraction_id) as agent:
        if started.snapshot is not None:
            agent.hold(started.extraction_id, started.snapshot, longest_snapshot)
        return to_the_end(agent, store_url, started.extraction_id, quiet=quiet)


@contextlib.contextmanager
def own_agent(store_url: str, source: Source, settings: Settings, extraction_id: int) -> Iterator[Agent]:
    """An agent for one extraction, with threads and guards of its own."""
    width = settings.reading.chunks_in_flight
    with Guards(store_url, settings) as guards, contextlib.closing(Threads(width, width, 0)) as threads:
        yield Agent(store_url, lambda _: source, threads, width, extraction_id, guards)


def to_the_end(agent: Agent, store_url: str, extraction_id: int, *, quiet: bool) -> Summary:
    """Run the agent until the extraction ends. Raises ExtractionError if it failed or was interrupted."""
    with _progress(quiet) as show:
        summary = asyncio.run(_follow(agent, store_url, extraction_id, show))
    if summary.status is Status.FAILED:
        raise errors.ExtractionError(
            f"Extraction {extraction_id} failed. {summary.error} Finished chunks are kept: when the cause is mended, "
            f"`extractctl resume {extraction_id}` does the rest."
        )
    if summary.status is Status.CANCELLED:
        raise errors.Cancelled(f"Extraction {extraction_id} was cancelled; nothing of it is in the store.")
    return summary


async def _follow(agent: Agent, store_url: str, extraction_id: int, show: Show) -> Summary:
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    work = asyncio.create_task(agent.run())
    watch = asyncio.create_task(_watch(agent, store_url, extraction_id, show))
    stopped = asyncio.create_task(interrupted.wait())
    await asyncio.wait([work, watch, stopped], return_when=asyncio.FIRST_COMPLETED)
    agent.stop()
    await work
    stopped.cancel()
    if not watch.done():
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        raise errors.Cancelled(
            f"Interrupted. Extraction {extraction_id} keeps its finished chunks: "
            f"`extractctl resume {extraction_id}` does the rest, `extractctl cancel {extraction_id}` gives it up."
        )
    return watch.result()


async def _watch(agent: Agent, store_url: str, extraction_id: int, show: Show) -> Summary:
    """Look at the extraction again and again until it has ended."""
    store: Store | None = None
    away_since: float | None = None
    try:
        while True:
            try:
                if store is None or not store.usable:
                    store = await asyncio.to_thread(Store, store_url)
                summary = await asyncio.to_thread(store.summary, extraction_id)
                away_since = None
                show(summary)
                if summary.status.final:
                    return summary
            except errors.StoreUnavailable as error:
                store = None
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > deadlines.STORE_AWAY:
                    raise errors.StoreError(
                        f"The store is away since {deadlines.STORE_AWAY:g} s ({error}) When it is back, "
                        f"`extractctl resume {extraction_id}` does the rest."
                    ) from error
            agent.ended.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(agent.ended.wait(), _LOOK)
    finally:
        if store is not None:
            store.close()


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Show]:
    """A bar on a terminal, a line now and then on anything else; always on stderr."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar() as show:
            yield show
    else:
        yield _Lines().show


@contextlib.contextmanager
def _bar() -> Iterator[Show]:
    columns = (
        TextColumn("{task.fields[label]}"),
        BarColumn(bar_width=None),  # what the others leave
        TaskProgressColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as progress:
        task = progress.add_task("", label="", facts="", total=None)

        def show(summary: Summary) -> None:
            progress.update(
                task,
                completed=summary.chunks_done,
                total=summary.chunks,
                label=f"extraction {summary.extraction_id}",
                facts=f"{summary.rows:,} rows {summary.rows_per_minute:,.0f}/min",
            )

        yield show


class _Lines:
    """One line every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, summary: Summary) -> None:
        if time.monotonic() - self._last >= _LINE:
            self._last = time.monotonic()
            percent = 100 * summary.chunks_done // max(summary.chunks, 1)
            sys.stderr.write(
                f"extraction {summary.extraction_id}: {percent} %, {_facts(summary)}{_remaining(summary)}\n"
            )
            sys.stderr.flush()


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
