"""One agent of several that race for what is due, in a process of its own."""

import asyncio
from typing import Any

from extraction_agent.model import Status
from extraction_agent.pipeline.start import Started, start_saved
from extraction_agent.profiles import Settings
from extraction_agent.schedules import Scheduler
from extraction_agent.sources import open_source
from extraction_agent.store.store import Config, Store

SECONDS = 4


def _begin(store: Store, config: Config) -> Started:
    """Begin and end at once."""
    begun = start_saved(store, open_source(config.source_url), config, Settings())
    assert store.end(begun.extraction_id, Status.CANCELLED, None)
    return begun


async def _live(url: str, name: str) -> None:
    scheduler = Scheduler(lambda: Store(url), _begin, lambda _id, snapshot, _longest: snapshot.close(), name)
    task = asyncio.create_task(scheduler.run(asyncio.to_thread))
    await asyncio.sleep(SECONDS)
    scheduler.stop()
    await task


def live(url: str, name: str, barrier: Any, results: Any) -> None:
    """Fire for some seconds, from when all are there. Puts what went wrong."""
    try:
        barrier.wait(60)
        asyncio.run(_live(url, name))
        results.put("")
    except BaseException as error:  # noqa: BLE001 - the test must see it
        results.put(repr(error))
