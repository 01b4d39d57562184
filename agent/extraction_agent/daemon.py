"""The daemon's life, alone: start, ready, reload, drain, watchdog. Of what lives in it, it knows a protocol."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, NoReturn, Protocol, TypeVar

from extraction_agent import errors
from extraction_agent.notify import Systemd

log = logging.getLogger(__name__)

DRAINED, FAILED = 0, 1  # exit statuses; besides those that our errors name
_AFTERWARDS = 5  # s that the process may need to end itself
_FEEDS = 3  # times within the watchdog's limit that it is fed


class Configuration(Protocol):
    """The one thing the daemon itself reads of a configuration."""

    @property
    def drain_seconds(self) -> float: ...


C = TypeVar("C", bound=Configuration)
C_contra = TypeVar("C_contra", contravariant=True)


class Component(Protocol[C_contra]):
    """One part of the daemon. Its errors are ours, or OSError."""

    name: str

    async def start(self) -> asyncio.Task[None] | None:
        """Return once it serves. The task, if any, ends only when the component is stopped."""

    async def reload(self, configuration: C_contra) -> None:
        """Go over to a configuration; when that fails, the one before is given again."""

    async def stop(self, deadline: float) -> None:
        """Finish what is under way, at the latest when time.monotonic() is `deadline`. It may have started by half."""

    def late(self) -> str | None:
        """What should have moved and has not, whatever databases do; None: all is well."""


class Daemon(Generic[C]):
    """Starts components in order, and stops them in the reverse order."""

    def __init__(
        self, configuration: C, load: Callable[[], C], components: Sequence[Component[C]], systemd: Systemd
    ) -> None:
        """load: reads the configuration anew and refuses, with one of our errors, what cannot be gone over to."""
        self._configuration, self._load = configuration, load
        self._components, self._systemd = components, systemd
        self._started: list[Component[C]] = []
        self._stopping: Component[C] | None = None
        self._end, self._hangup = asyncio.Event(), asyncio.Event()
        self._changing = asyncio.Lock()

    async def run(self) -> int:
        """Live until a signal, or until a component fails. Returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_end, number)
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        feeding = asyncio.create_task(self._feed(), name="watchdog")
        life = asyncio.create_task(self._live(), name="life")
        end = asyncio.create_task(self._end.wait(), name="end")
        await asyncio.wait([life, end], return_when=asyncio.FIRST_COMPLETED)
        deadline = self._begin_to_end()
        life.cancel()
        status = DRAINED
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await life
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are stopped in order
            status = error.exit_status if isinstance(error, errors.ExtractionError) else FAILED
            _say("The daemon ends", error)
        status = await self._drain(deadline) or status
        feeding.cancel()
        return status

    async def _live(self) -> NoReturn:
        work: set[asyncio.Task[None]] = set()
        for component in self._components:
            self._systemd.tell(STATUS=f"starting {component.name}")
            self._started.append(component)
            task = await component.start()
            if task is not None:
                work.add(task)
        self._ready("ready")
        while True:
            hangup = asyncio.create_task(self._hangup.wait(), name="hangup")
            await asyncio.wait([*work, hangup], return_when=asyncio.FIRST_COMPLETED)
            for ended in filter(asyncio.Task.done, work):
                ended.result()
                raise errors.ExtractionError(f"{ended.get_name()} has ended by itself.")
            self._hangup.clear()
            await self._reload()

    def _ready(self, status: str) -> None:
        log.info("%s", status)
        self._systemd.tell(READY=1, STATUS=status)

    # Another configuration

    async def change(self, wanted: Callable[[C], C]) -> None:
        """Go over to a configuration that is made of the present one. Raises what a part met, and then stays as it was.

        Changes wait for each other.
        """
        async with self._changing:
            await self._go_over(wanted(self._configuration))

    async def _reload(self) -> None:
        """On SIGHUP: go over to the configuration as it is now, or stay with all of the old one and say so."""
        self._systemd.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000, STATUS="reloading")
        try:
            await self.change(lambda _: self._load())
        except Exception as error:  # noqa: BLE001 - whatever a reload meets, the daemon lives on as it was
            self._systemd.tell(READY=1, STATUS=_say("The reload failed and changed nothing", error))
            return
        self._ready("ready, reloaded")

    async def _go_over(self, wanted: C) -> None:
        gone_over: list[Component[C]] = []
        try:
            for component in self._components:
                gone_over.append(component)
                await component.reload(wanted)
        except Exception:
            await self._go_back(gone_over)
            raise
        self._configuration = wanted

    async def _go_back(self, gone_over: Sequence[Component[C]]) -> None:
        for component in reversed(gone_over):
            try:
                await component.reload(self._configuration)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go back
                _say(f"{component.name} could not go back", error)

    # The end

    def _asked_to_end(self, number: signal.Signals) -> None:
        """The first signal drains; from then on another one ends at once, even while the loop is blocked."""
        log.info("%s: draining", number.name)
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(each)
            signal.signal(each, lambda *_: _end_hard("A second signal: ended at once."))
        self._end.set()

    def _begin_to_end(self) -> float:
        """Returns when all must have ended. A thread sees to it, whatever blocks the loop or outlives it."""
        seconds = self._configuration.drain_seconds
        patience = int((seconds + _AFTERWARDS) * 1_000_000)  # systemd's, though its unit may say less
        self._systemd.tell(STOPPING=1, EXTEND_TIMEOUT_USEC=patience, STATUS=f"draining, at most {seconds:g} s")
        limit = threading.Timer(seconds, self._out_of_time, [seconds])
        limit.daemon = True
        limit.start()
        return time.monotonic() + seconds

    def _out_of_time(self, seconds: float) -> None:
        who = self._stopping.name if self._stopping else "the end itself"
        _end_hard(f"The drain took more than drain_seconds, {seconds:g} s, with {who}: ended hard.")

    async def _drain(self, deadline: float) -> int:
        status = DRAINED
        for component in reversed(self._started):
            self._stopping = component
            try:
                await component.stop(deadline)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are stopped
                _say(f"{component.name} could not be stopped", error)
                status = FAILED
        self._stopping = None
        return status

    # The watchdog

    async def _feed(self) -> None:
        """Tell systemd that we live, only while the loop turns and no component is late."""
        if self._systemd.watchdog_seconds is None:
            return
        while True:
            late = [said for component in self._started if (said := component.late())]
            if late:
                log.error("The watchdog is not fed: %s.", "; ".join(late))
            else:
                self._systemd.tell(WATCHDOG=1)
            await asyncio.sleep(self._systemd.watchdog_seconds / _FEEDS)


def _say(what: str, error: Exception) -> str:
    """Log what failed as a sentence, never as a traceback. Returns it."""
    ours = isinstance(error, errors.ExtractionError)
    told = f"{what}: {error}" if ours else f"{what}: {type(error).__name__}: {error}."
    log.error("%s", told)
    if not ours:
        log.debug("where it happened", exc_info=error)
    return told


def _end_hard(why: str) -> NoReturn:
    try:
        log.error("%s", why)
    finally:
        os._exit(FAILED)
