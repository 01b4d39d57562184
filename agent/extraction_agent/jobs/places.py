"""How many may be at something at once, where the number changes while some are; and the worker that it is for."""

import asyncio
import contextlib
from typing import Any, Literal

from procrastinate import App
from procrastinate import exceptions as queue_errors
from procrastinate.worker import Worker


class Places(asyncio.Semaphore):
    """A semaphore that may shrink below what is taken: then nobody enters until enough have left."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._free = number
        self._some_free = asyncio.Event()

    def locked(self) -> bool:
        return self._free <= 0

    async def acquire(self) -> Literal[True]:
        while self._free <= 0:
            self._some_free.clear()
            await self._some_free.wait()
        self._free -= 1
        return True

    def release(self) -> None:
        self.add(1)

    def add(self, number: int) -> None:
        """So many more, or fewer, from now on."""
        self._free += number
        if self._free > 0:
            self._some_free.set()


class ResizableWorker(Worker):
    """A worker whose concurrency changes while it works, and that never lives on without a sign of life.

    The base makes itself a semaphore of a fixed number, and watches over its side tasks until the first has ended.
    """

    def __init__(self, app: App, concurrency: int, **options: Any) -> None:
        self._places = Places(concurrency)
        super().__init__(app, concurrency=concurrency, **options)

    @property
    def _job_semaphore(self) -> asyncio.Semaphore:
        return self._places

    @_job_semaphore.setter
    def _job_semaphore(self, _: asyncio.Semaphore) -> None:
        """Ours stays, at the worker's making and at its start."""

    async def _periodic_deferrer(self) -> None:
        """Nothing of ours is periodic: the base's would end at once, and with it the watch over the others."""
        await asyncio.Event().wait()

    async def _update_heartbeat(self) -> None:
        """Until it is cancelled: the base's would end with the first that fails, and every job here be handed on."""
        while True:
            await asyncio.sleep(self.update_heartbeat_interval)
            if self.worker_id is not None:
                with contextlib.suppress(queue_errors.ConnectorException):
                    await self.app.job_manager.update_heartbeat(self.worker_id)

    def resize(self, change: int) -> None:
        """So many jobs more, or fewer, from now on."""
        self._places.add(change)
