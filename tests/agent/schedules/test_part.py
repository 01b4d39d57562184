"""The daemon's component that fires schedules."""

import asyncio
import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest

from agent.faults.harness import until
from extraction_agent import deadlines, errors, profiles
from extraction_agent.interfaces.agent.schedules import Schedules
from extraction_agent.model import Definition
from extraction_agent.protect.threads import Threads
from extraction_agent.sources.protocol import Source
from extraction_agent.store.pools import Pool
from extraction_agent.store.schedules import Missed
from extraction_agent.store.store import Config, Store
from support import Database


def test_a_connection_held_while_a_schedule_is_planned_is_no_leak(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "POOL_ROUND", 0.02)
    planning, go_on = threading.Event(), threading.Event()

    def stalled(_config: Config) -> Source:
        planning.set()
        assert go_on.wait(30)
        raise errors.SourceError("source db: it has stalled.")

    with Store(store.url) as opened:
        config = opened.save_config("items", "postgresql", "postgresql://db/shop", None, Definition(table="item"))
        opened.set_schedule(config, "0 4 * * *", "UTC", Missed.ONCE, opened.now() - timedelta(seconds=1))
    settings = profiles.Settings()
    pool = Pool(store.url, settings.pool.model_copy(update={"minimum_idle": 2, "leak_seconds": 0.1}), "test")

    async def live(threads: Threads) -> None:
        part = Schedules(pool, threads, stalled, lambda: settings, lambda *_: None)
        await part.start()
        assert await asyncio.to_thread(planning.wait, 30)
        with pool.store():  # a leak, and a younger one: whoever sees it has seen the schedule's too
            await asyncio.to_thread(until, lambda: pool.stats().leaks > 0)
        assert pool.stats().leaks == 1
        go_on.set()
        await part.stop(time.monotonic() + 60)

    with closing(Threads(2, 2, 10)) as threads:
        asyncio.run(live(threads))
    assert pool.close()
    with Store(store.url) as opened:
        [firing] = opened.firings(config.id, 10)
    assert firing.detail == "source db: it has stalled."
    assert pool.stats().leaks == 1
