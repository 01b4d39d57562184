"""A bounded pool of threads that grows as Java's ThreadPoolExecutor does.

A call gets a new thread while there are fewer than `core`; after that it waits in the queue; once that is full it gets
a new thread, up to `maximum`; and then it is refused. Threads beyond core end after a while without work.
"""

import asyncio
import contextvars
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from extraction_agent import deadlines, errors
from extraction_agent.observe import metrics

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_SOONEST, _LATEST = 1.0, 30.0  # s, between which a refused caller is asked to come again


@dataclass(frozen=True, slots=True)
class Stats:
    """What a pool is and has done. Accepted calls = queued + cancelled + started; started = active + completed."""

    core: int
    maximum: int
    queue: int
    threads: int
    active: int
    queued: int
    started: int
    completed: int
    cancelled: int  # before a thread took them
    rejected: int


class _Call(Future[T]):
    """A call that waits for its thread, and for whoever submitted it the future of its result."""

    def __init__(self, work: Callable[[], T], withdraw: Callable[["_Call[Any]"], bool]) -> None:
        super().__init__()
        self.since = time.monotonic()
        self._work: Callable[[], T] | None = work
        self._withdraw = withdraw

    def cancel(self) -> bool:
        """A call that no thread has taken leaves the queue at once and makes room for another."""
        cancelled = super().cancel()
        if cancelled and self._withdraw(self):
            self.set_running_or_notify_cancel()  # tells those in concurrent.futures.wait
        return cancelled

    def execute(self, ended: Callable[[], None]) -> None:
        """Do it. `ended` is called before anyone can see the result."""
        work, self._work = self._work, None  # who keeps the future need not keep its arguments
        assert work is not None
        if not self.set_running_or_notify_cancel():
            ended()
            return
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the call
            del work
            ended()
            self.set_exception(error)
        else:
            del work
            ended()
            self.set_result(result)


class Threads:
    """Threads `name-1`, `name-2`, …; a number is used again once its thread has ended. Safe for many threads."""

    def __init__(
        self,
        core: int,
        maximum: int,
        queue: int,
        name: str = "extraction",
        idle_seconds: float = deadlines.THREAD_IDLE,
    ) -> None:
        """idle_seconds: after which a thread beyond core that has nothing to do ends."""
        _check(core, maximum, queue)
        self._core, self._maximum, self._capacity = core, maximum, queue
        self._name, self._idle_seconds = name, idle_seconds
        self._queue: deque[_Call[Any]] = deque()
        self._threads: dict[int, threading.Thread] = {}
        self._idle = 0  # threads without a call
        self._started = self._completed = self._cancelled = self._rejected = 0
        self._closing = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # wakes idle threads: a call, another size, the end
        self._ended = threading.Condition(self._lock)  # wakes `close`
        metrics.THREADS_CORE.inc(core)
        metrics.THREADS_MAX.inc(maximum)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a thread call the function, in a copy of the caller's context. Raises Busy."""
        work = partial(contextvars.copy_context().run, function, *args, **kwargs)
        call = _Call(work, self._take_back)
        with self._lock:
            if self._closing:
                raise self._refusal("The agent is stopping and begins nothing new.")
            if len(self._threads) < self._core:
                self._start(call)
            elif len(self._queue) < self._capacity + self._idle:  # an idle thread's next call does not wait
                self._queue.append(call)
                metrics.THREADS_QUEUED.inc()
                self._changed.notify()
            elif len(self._threads) < self._maximum:
                self._start(call)
            else:
                raise self._refusal(f"All {self._maximum} threads have work and {len(self._queue)} calls wait.")
        return call

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in a thread and wait for its result. Raises Busy, and what the function raises.

        When the waiting task is cancelled, a call that has begun goes on to its end.
        """
        call = self.submit(function, *args, **kwargs)
        try:
            return await asyncio.wrap_future(call)
        except asyncio.CancelledError:
            call.add_done_callback(_tell_failure)
            raise

    def resize(self, core: int, maximum: int, queue: int) -> None:
        """Change the sizes. What runs and what waits stays; threads too many end after their present call."""
        _check(core, maximum, queue)
        with self._lock:
            metrics.THREADS_CORE.inc(core - self._core)
            metrics.THREADS_MAX.inc(maximum - self._maximum)
            self._core, self._maximum, self._capacity = core, maximum, queue
            while (waiting := len(self._queue) - self._idle) > 0 and len(self._threads) < (
                maximum if waiting > queue else core
            ):
                self._start(self._queue[0])
                self._queue.popleft()
                metrics.THREADS_QUEUED.dec()
            self._changed.notify_all()

    def stats(self) -> Stats:
        with self._lock:
            return Stats(
                core=self._core,
                maximum=self._maximum,
                queue=self._capacity,
                threads=len(self._threads),
                active=len(self._threads) - self._idle,
                queued=len(self._queue),
                started=self._started,
                completed=self._completed,
                cancelled=self._cancelled,
                rejected=self._rejected,
            )

    def close(self, deadline: float = deadlines.SHUTDOWN) -> bool:
        """Take nothing new, end what runs and waits within `deadline` seconds. Returns whether all has ended.

        After the deadline, calls that still wait are cancelled and threads that still run are left behind.
        """
        with self._lock:
            if not self._closing:
                self._closing = True
                metrics.THREADS_CORE.dec(self._core)
                metrics.THREADS_MAX.dec(self._maximum)
            self._changed.notify_all()
            self._ended.wait_for(lambda: not self._threads, deadline)
            waiting = list(self._queue)
            stuck = sorted(thread.name for thread in self._threads.values())
        for call in waiting:
            call.cancel()
        if stuck:
            log.warning("left behind after %g s: %s, and %d calls not begun", deadline, ", ".join(stuck), len(waiting))
        return not stuck

    # Under the lock

    def _start(self, call: _Call[Any]) -> None:
        number = next(number for number in itertools.count(1) if number not in self._threads)
        # A daemon: a stuck call shall not keep the process from its end.
        thread = threading.Thread(target=self._work, args=(number, [call]), name=f"{self._name}-{number}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise self._refusal("The system gives this process no more threads.") from error
        self._threads[number] = thread
        self._begin(call)

    def _begin(self, call: _Call[Any]) -> None:
        self._started += 1
        metrics.THREADS_ACTIVE.inc()
        metrics.THREADS_WAIT_SECONDS.observe(time.monotonic() - call.since)

    def _refusal(self, why: str) -> errors.Busy:
        """Whoever comes now would wait about as long as the first in the queue has waited."""
        self._rejected += 1
        metrics.THREADS_REJECTED.inc()
        waited = time.monotonic() - self._queue[0].since if self._queue else 0.0
        retry_after = min(max(waited, _SOONEST), _LATEST)
        return errors.Busy(f"{why} Try again in {retry_after:.0f} s.", retry_after)

    # In a thread of the pool

    def _work(self, number: int, first: list[_Call[Any]]) -> None:
        """first: one call, in a list because a thread keeps its arguments; an idle one shall hold on to nothing."""
        call: _Call[Any] | None = first.pop()
        while call is not None:
            call.execute(self._has_ended)
            call = None
            call = self._next(number)

    def _has_ended(self) -> None:
        with self._lock:
            self._completed += 1
            self._idle += 1
        metrics.THREADS_ACTIVE.dec()
        metrics.THREADS_COMPLETED.inc()

    def _next(self, number: int) -> _Call[Any] | None:
        """Wait for a call; None: this thread is to end."""
        idle_until = time.monotonic() + self._idle_seconds
        with self._lock:
            while len(self._threads) <= self._maximum:
                if self._queue:
                    call = self._queue.popleft()
                    metrics.THREADS_QUEUED.dec()
                    self._idle -= 1
                    self._begin(call)
                    return call
                left = idle_until - time.monotonic() if len(self._threads) > self._core else None
                if self._closing or (left is not None and left <= 0):
                    break
                self._changed.wait(left)
            self._idle -= 1
            del self._threads[number]
            self._changed.notify()  # if it was a call that woke this thread, it is for another
            self._ended.notify_all()
            return None

    def _take_back(self, call: _Call[Any]) -> bool:
        with self._lock, suppress(ValueError):  # a thread has just taken it
            self._queue.remove(call)
            self._cancelled += 1
            metrics.THREADS_QUEUED.dec()
            return True
        return False


def _check(core: int, maximum: int, queue: int) -> None:
    if not 1 <= core <= maximum or queue < 0:
        raise ValueError(f"1 ≤ core {core} ≤ maximum {maximum} and 0 ≤ queue {queue} is not so")


def _tell_failure(call: Future[Any]) -> None:
    if not call.cancelled() and (error := call.exception()) is not None:
        log.info("a call that nobody waits for any more failed: %s", error)
