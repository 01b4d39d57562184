"""The daemon's components: what the rooms below offer, each behind the small protocol of daemon.py."""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable

from aiohttp import web

from extraction_agent import deadlines, errors
from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.jobs import Agent
from extraction_agent.sources.protocol import Snapshot

log = logging.getLogger(__name__)

_LET_GO = 3.0  # s of a drain that are kept for giving back the chunks that will not be finished
_OPEN_REQUESTS = 5.0  # s that requests under way are waited for at the end


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


class Worker(Part):
    """The agent on the store's queue. One that ends, because the store is not fit say, is followed by another."""

    name = "worker"

    def __init__(self, make_agent: Callable[[], Agent]) -> None:
        self._make_agent = make_agent
        self._agent = make_agent()
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self.problem: str | None = None  # why no agent runs

    @property
    def agent(self) -> str:
        """The agent's name, as chunks bear it."""
        return self._agent.name

    @property
    def copying(self) -> int:
        """Chunks in flight."""
        return self._agent.copying

    def hold(self, extraction_id: int, snapshot: Snapshot, longest: float) -> None:
        """Hold a snapshot until its extraction ends, at most `longest` seconds."""
        self._agent.hold(extraction_id, snapshot, longest)

    async def start(self) -> asyncio.Task[None] | None:
        self._task = asyncio.create_task(self._run(), name=self.name)
        return self._task

    async def _run(self) -> None:
        while not self._ending.is_set():
            try:
                await self._agent.run()
            except errors.ExtractionError as error:
                if str(error) != self.problem:
                    log.error("%s", error)  # noqa: TRY400 - a sentence, never a traceback
                self.problem = str(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), deadlines.RECONCILE)
                self._agent = self._make_agent()

    async def stop(self, deadline: float) -> None:
        if self._task is None:
            return
        self._ending.set()
        left = deadline - time.monotonic()
        await self._agent.drain(max(left - _LET_GO, left / 2))
        await self._task


class Http(Part):
    """The port, with whatever application answers on it."""

    name = "http"

    def __init__(self, configuration: Configuration, application: web.Application) -> None:
        self._api = configuration.config.api
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_OPEN_REQUESTS)
        self._tls = self._context(configuration)
        self.url = ""

    async def start(self) -> asyncio.Task[None] | None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._api.listen, self._api.port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            where = f"{self._api.listen}:{self._api.port}"
            raise errors.ExtractionError(f"The daemon cannot listen on {where}: {error.strerror}.") from error
        host, port, *_ = self._runner.addresses[0]
        self.url = f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("listening on %s", self.url)
        return None

    async def reload(self, configuration: Configuration) -> None:
        """Renewed certificates serve the next connections."""
        tls = configuration.config.api.tls
        if tls is not None and self._tls is not None:
            self._context(configuration)  # first elsewhere: one that is half right would be left behind
            self._tls.load_cert_chain(tls.certificate, tls.key)

    async def stop(self, deadline: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._runner.cleanup(), max(deadline - time.monotonic() - _LET_GO, 0.1))

    @staticmethod
    def _context(configuration: Configuration) -> ssl.SSLContext | None:
        tls = configuration.config.api.tls
        if tls is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(tls.certificate, tls.key)
        except OSError as error:  # SSLError is one
            raise errors.UsageError(
                f"The certificate {tls.certificate} with its key {tls.key} cannot be used: {error.strerror or error}."
            ) from error
        return context
