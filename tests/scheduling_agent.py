"""One agent of several that race for what is due, in a process of its own."""

import asyncio
from typing import Any

from daemons import until
from extraction_agent.model import Status
from extraction_agent.pipeline.start import Started, start_saved
from extraction_agent.profiles import Settings
from extraction_agent.schedules import Scheduler
from extraction_agent.sources import open_source
from extraction_agent.store.store import Config, Store
from support import Database

_SECONDS = 4.0  # at least
_PATIENCE = 56.0  # s beyond them, on a machine that does other things too


def _begin(store: Store, config: Config) -> Started:
    """Begin and end at once."""
    begun = start_saved(store, open_source(config.source_url), config, Settings())
    assert store.end(begun.extraction_id, Status.CANCELLED, None)
    return begun


def _fired(url: str) -> int:
    """How many configs have, by whichever agent."""
    return int(Database(url).value("SELECT count(DISTINCT config_id) FROM extraction_firings"))


async def _live(url: str, name: str, configs: int) -> None:
    scheduler = Scheduler(lambda: Store(url), _begin, lambda _id, snapshot, _longest: snapshot.close(), name)
    task = asyncio.create_task(scheduler.run(asyncio.to_thread))
    await asyncio.sleep(_SECONDS)
    await asyncio.to_thread(until, lambda: _fired(url) >= configs, "a firing of each config", _PATIENCE)
    scheduler.stop()
    await task


def live(url: str, name: str, configs: int, barrier: Any, results: Any) -> None:
    """From when all agents are there, fire until so many configs have. Puts what went wrong."""
    try:
        barrier.wait(60)
        asyncio.run(_live(url, name, configs))
        results.put("")
    except BaseException as error:  # noqa: BLE001 - the test must see it
        results.put(repr(error))
