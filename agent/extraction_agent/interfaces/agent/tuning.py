"""The daemon's component that looks after this host's part in rollouts."""

import asyncio
import contextlib

from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.interfaces.agent.parts import Part
from extraction_agent.tuning.trial import Host


class Tuning(Part):
    """Trial, guards, and joining what the fleet has."""

    name = "tuning"

    def __init__(self, host: Host) -> None:
        self._host = host
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None] | None:
        self._task = asyncio.create_task(self._host.run(), name=self.name)
        return self._task

    async def reload(self, configuration: Configuration) -> None:
        self._host.configured = configuration.named

    async def stop(self, deadline: float) -> None:
        """A trial is left as it is: the next start knows what to do."""
        del deadline
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._task
        await self._host.close()

    def late(self) -> str | None:
        return self._host.late()
