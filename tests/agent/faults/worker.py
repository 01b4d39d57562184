"""An agent in a thread of this process."""

import asyncio
import threading
from contextlib import closing
from typing import Self

from extraction_agent.jobs import Agent
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source


class Worker:
    """Works while it is entered. extraction_id: on this extraction only; None: on all, as a daemon does."""

    def __init__(self, store_url: str, source_url: str, extraction_id: int | None = None) -> None:
        self._store_url, self._source_url, self._only = store_url, source_url, extraction_id
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        with closing(Threads(1, 1, 0)) as threads:
            self.agent = Agent(self._store_url, lambda _: open_source(self._source_url), threads, 1, self._only)
            self._ready.set()
            await self.agent.run()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.agent.stop)

    def ended(self) -> bool:
        return not self._thread.is_alive()
