"""The daemon's components: what the rooms below offer, each behind the small protocol of daemon.py."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from extraction_agent import deadlines, errors
from extraction_agent.cache.configs import Configs
from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.jobs import Agent
from extraction_agent.observe import logs
from extraction_agent.observe.recent import Recent
from extraction_agent.observe.samplers import Samplers
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources.protocol import Snapshot
from extraction_agent.store.pools import Pool

log = logging.getLogger(__name__)

_LET_GO = deadlines.LET_GO + deadlines.CANCEL  # of a drain, kept for giving back the chunks that will not be finished


def left(deadline: float) -> float:
    """Seconds, never fewer than none."""
    return max(deadline - time.monotonic(), 0.0)


class Part:
    """A component that does nothing by itself; the others say what they do."""

    name = "part"

    async def start(self) -> asyncio.Task[None] | None:
        return None

    async def reload(self, configuration: Configuration) -> None:
        del configuration

    async def stop(self, deadline: float) -> None:
        del deadline

    def late(self) -> str | None:
        return None


class Logging(Part):
    """The level of the log, and what was logged as wrong lately."""

    name = "logging"

    def __init__(self, recent: Recent) -> None:
        self._recent = recent

    async def start(self) -> asyncio.Task[None] | None:
        logging.getLogger().addHandler(self._recent)
        return None

    async def reload(self, configuration: Configuration) -> None:
        logs.to_stderr(configuration.config.log_level)


class ThreadPool(Part):
    """Threads for all that waits for a database."""

    name = "threads"

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def reload(self, configuration: Configuration) -> None:
        wanted = configuration.profile.settings.threads
        self._threads.resize(wanted.core, wanted.maximum, wanted.queue)

    async def stop(self, deadline: float) -> None:
        await asyncio.to_thread(self._threads.close, left(deadline) / 2)


class StorePool(Part):
    """Connections to the store; it tries by itself until the store is there."""

    name = "pool"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reload(self, configuration: Configuration) -> None:
        self._pool.resize(configuration.profile.settings.pool)

    async def stop(self, deadline: float) -> None:
        await asyncio.to_thread(self._pool.close, left(deadline) / 2)


class Cache(Part):
    """Cached configs."""

    name = "cache"

    def __init__(self, configs: Configs, close: Callable[[], None]) -> None:
        self._configs, self._close = configs, close

    async def reload(self, configuration: Configuration) -> None:
        self._configs.reload(configuration.profile.settings.cache)

    async def stop(self, deadline: float) -> None:
        del deadline
        await asyncio.to_thread(self._close)


class Protection(Part):
    """Guards and breakers of all databases."""

    name = "guards"

    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    async def reload(self, configuration: Configuration) -> None:
        self._guards.resize(configuration.profile.settings)

    async def stop(self, deadline: float) -> None:
        del deadline
        await asyncio.to_thread(self._guards.close)


class Observation(Part):
    """Samplers."""

    name = "samplers"

    def __init__(self, samplers: Samplers) -> None:
        self._samplers = samplers

    async def start(self) -> asyncio.Task[None] | None:
        self._samplers.start()
        return None

    async def stop(self, deadline: float) -> None:
        del deadline
        await asyncio.to_thread(self._samplers.stop)

    def late(self) -> str | None:
        return self._samplers.late()


class Worker(Part):
    """The agent on the store's queue. One that ends, because the store is not fit say, is followed by another."""

    name = "worker"

    def __init__(self, make_agent: Callable[[int], Agent], chunks_in_flight: int) -> None:
        """make_agent: makes one of so many chunks in flight."""
        self._make_agent, self._width = make_agent, chunks_in_flight
        self._agent = make_agent(chunks_in_flight)
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._problem, self._ended_at = "", 0.0  # why and when an agent ended
        self._seen: tuple[Agent, int] | None = None
        self._moved = time.monotonic()
        self.store_away: Callable[[], bool] = lambda: False  # as whoever probes the store says

    def hold(self, extraction_id: int, snapshot: Snapshot, longest: float) -> None:
        """Hold a snapshot until its extraction ends, at most `longest` seconds. From any thread."""
        self._agent.hold(extraction_id, snapshot, longest)

    def extractions(self) -> set[int]:
        """Those this agent has chunks of in hand. From the loop."""
        return self._agent.extractions

    async def start(self) -> asyncio.Task[None] | None:
        self._task = asyncio.create_task(self._run(), name=self.name)
        return self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._agent.run()
            except errors.ExtractionError as error:
                self._tell(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), deadlines.RECONCILE)
            if self._ending.is_set():
                return
            self._agent = self._make_agent(self._width)

    def _tell(self, error: errors.ExtractionError) -> None:
        """Once, however often it is tried in vain."""
        if self.problem != str(error):
            log.error("no extraction is worked on, and it is tried again: %s", error)
        self._problem, self._ended_at = str(error), time.monotonic()

    @property
    def problem(self) -> str | None:
        """Why no agent works."""
        return self._problem if self._problem and time.monotonic() - self._ended_at < deadlines.STALLED else None

    def unready(self) -> list[str]:
        """Why no work is to be expected of it."""
        if self._ending.is_set():
            return ["it is about to end"]
        return ["no extraction is worked on, and the log says why"] if self.problem else []  # strangers may ask

    async def reload(self, configuration: Configuration) -> None:
        self._width = configuration.profile.settings.reading.chunks_in_flight
        self._agent.resize(self._width)

    async def stop(self, deadline: float) -> None:
        if self._task is None:
            return
        self._ending.set()
        await self._agent.drain(max(left(deadline) - _LET_GO, left(deadline) / 2))
        await self._task

    def late(self) -> str | None:
        """It looks after the queue every second or so, unless the store keeps it."""
        seen = (self._agent, self._agent.rounds)
        if seen != self._seen or self.problem or self.store_away():
            self._seen, self._moved = seen, time.monotonic()
        silence = time.monotonic() - self._moved
        return f"nobody has looked after the queue for {silence:.0f} s" if silence > deadlines.LATE else None
