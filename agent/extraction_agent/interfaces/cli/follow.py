"""Works on one extraction until it ends, and shows how far it is."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

from extraction_agent import deadlines, errors
from extraction_agent.interfaces.cli import progress, watching
from extraction_agent.interfaces.cli.where import AtStore
from extraction_agent.jobs import Agent
from extraction_agent.model import Summary
from extraction_agent.pipeline.start import Started
from extraction_agent.profiles import Settings
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources.protocol import Source


def work_off(
    store_url: str, source: Source, started: Started, settings: Settings, longest_snapshot: float, *, quiet: bool
) -> Summary:
    """Work on an extraction that has just been started, holding its snapshot."""
    summary = work_for(None, store_url, source, started, settings, longest_snapshot, quiet=quiet)
    assert summary is not None
    return summary


def work_for(
    seconds: float | None,
    store_url: str,
    source: Source,
    started: Started,
    settings: Settings,
    longest_snapshot: float,
    *,
    quiet: bool,
) -> Summary | None:
    """The same, but no longer than this. Returns None if it has not ended by then."""
    with own_agent(store_url, source, settings, started.extraction_id) as agent:
        if started.snapshot is not None:
            agent.hold(started.extraction_id, started.snapshot, longest_snapshot)
        return _work(agent, store_url, started.extraction_id, seconds, quiet=quiet)


@contextlib.contextmanager
def own_agent(store_url: str, source: Source, settings: Settings, extraction_id: int) -> Iterator[Agent]:
    """An agent for one extraction, with threads and guards of its own."""
    width = settings.reading.chunks_in_flight
    with Guards(store_url, settings) as guards, contextlib.closing(Threads(width, width, 0)) as threads:
        yield Agent(store_url, lambda _: source, threads, width, extraction_id, guards)


def to_the_end(agent: Agent, store_url: str, extraction_id: int, *, quiet: bool) -> Summary:
    """Run the agent until the extraction ends. Raises ExtractionError if it failed or was interrupted."""
    summary = _work(agent, store_url, extraction_id, None, quiet=quiet)
    assert summary is not None
    return summary


def _work(agent: Agent, store_url: str, extraction_id: int, seconds: float | None, *, quiet: bool) -> Summary | None:
    with progress.for_people() if not quiet else contextlib.nullcontext(progress.Shown()) as shown:
        summary = asyncio.run(_follow(agent, store_url, extraction_id, shown, seconds))
    return None if summary is None else watching.ended_well(summary)


async def _follow(
    agent: Agent, store_url: str, extraction_id: int, shown: progress.Shown, seconds: float | None
) -> Summary | None:
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    work = asyncio.create_task(agent.run())
    watch = asyncio.create_task(_watch(agent, store_url, extraction_id, shown))
    stopped = asyncio.create_task(interrupted.wait())
    done, _ = await asyncio.wait([work, watch, stopped], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    agent.stop()
    await work
    stopped.cancel()
    if not watch.done():
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        if not done:
            return None
        raise errors.Cancelled(
            f"Interrupted. Extraction {extraction_id} keeps its finished chunks: "
            f"`extractctl resume {extraction_id}` does the rest, `extractctl cancel {extraction_id}` gives it up."
        )
    return watch.result()


async def _watch(agent: Agent, store_url: str, extraction_id: int, shown: progress.Shown) -> Summary:
    """Look at the extraction again and again until it has ended."""
    advice = f"When it is back, `extractctl resume {extraction_id}` does the rest."
    with contextlib.closing(AtStore(store_url)) as where:
        look = watching.Look(where, extraction_id, shown, deadlines.STORE_AWAY, advice)
        while True:
            summary = await asyncio.to_thread(look)
            if summary is not None and summary.status.final:
                return summary
            agent.ended.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(agent.ended.wait(), watching.PAUSE)
