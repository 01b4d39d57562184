"""The daemon's component that clears the store of what aborted rollouts have left there."""

import asyncio
import logging

from extraction_agent import deadlines, errors
from extraction_agent.interfaces.agent.parts import Part, left
from extraction_agent.store.pools import Pool
from extraction_agent.tuning.indexes.sweep import Sweeper
from extraction_agent.waiting import Stop

log = logging.getLogger(__name__)


class Indexes(Part):
    """Looks every few seconds; in a thread of its own, for others may be in the way for a while."""

    name = "indexes"

    def __init__(self, pool: Pool, store_url: str, agent: str) -> None:
        self._pool, self._stop = pool, Stop()
        self._sweeper = Sweeper(store_url, agent, self._stop)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None] | None:
        self._task = asyncio.create_task(self._run(), name=self.name)
        return self._task

    async def stop(self, deadline: float) -> None:
        """What it has begun to drop, the next look finds."""
        self._stop.request()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=left(deadline) / 4)
            self._task.cancel()

    async def _run(self) -> None:
        while not self._stop.requested:
            try:
                await asyncio.to_thread(self._sweep)
            except errors.Cancelled:
                return
            except errors.ExtractionError as error:
                log.info("indexes of aborted rollouts wait: %s", error)
            for _ in range(int(deadlines.INDEX_SWEEP / deadlines.INDEX_LOOK)):
                if self._stop.requested:
                    return
                await asyncio.sleep(deadlines.INDEX_LOOK)

    def _sweep(self) -> None:
        with self._pool.store() as store:
            self._sweeper.sweep(store)
