"""The daemon's component that begins extractions by their schedules."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

from extraction_agent import deadlines
from extraction_agent.interfaces.agent.parts import Part, left
from extraction_agent.pipeline.start import Started, start_saved
from extraction_agent.profiles import Settings
from extraction_agent.protect.threads import Threads
from extraction_agent.schedules import Scheduler
from extraction_agent.sources.protocol import Snapshot, Source
from extraction_agent.store.pools import Pool
from extraction_agent.store.store import Config, Store


class Schedules(Part):
    """Looks for what is due; every agent of the fleet does, and the store gives each time to one."""

    name = "schedules"

    def __init__(
        self,
        pool: Pool,
        threads: Threads,
        open_source: Callable[[Config], Source],
        settings: Callable[[], Settings],
        hold: Callable[[int, Snapshot, float], None],
    ) -> None:
        """settings: those in force now. hold: the worker's, for the snapshots of what is begun."""

        def begin(store: Store, config: Config) -> Started:
            return start_saved(store, open_source(config), config, settings())

        def lend() -> AbstractContextManager[Store]:
            return pool.store(deadlines.PLAN + deadlines.STATEMENT)  # its transaction lasts as long as planning does

        self._threads = threads
        self._scheduler = Scheduler(lend, begin, hold, f"{socket.gethostname()}-{os.getpid()}")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None] | None:
        self._task = asyncio.create_task(self._scheduler.run(self._threads.run), name=self.name)
        return self._task

    async def stop(self, deadline: float) -> None:
        """What is being planned is begun; what takes longer is begun by another agent, or by this one's next start."""
        if self._task is not None:
            self._scheduler.stop()
            await asyncio.wait([self._task], timeout=left(deadline) / 4)
            self._task.cancel()
