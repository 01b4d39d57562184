"""Waits that can always be ended: by readiness, by a stop, by a deadline. None holds the GIL."""

import fcntl
import os
import select
import termios
import threading
import time
from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from extraction_agent import errors, waits

_SHORTEST_POLL = 0.005  # s
_LONGEST_POLL = 0.1  # s

Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")


class Stop:
    """A request to stop, made from any thread, that wakes every wait it was given to."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.requested = False

    def request(self) -> None:
        if not self.requested:
            self.requested = True
            os.write(self._writer, b"x")

    def fileno(self) -> int:
        return self._reader

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def check(self) -> None:
        """Raise Cancelled if a stop was requested."""
        if self.requested:
            raise errors.Cancelled("stopped on request")


_of_this_thread = threading.local()


@contextmanager
def ended_by(stop: Stop) -> Iterator[None]:
    """Statements and log-ins of this thread, too, end with Cancelled on this stop."""
    before = getattr(_of_this_thread, "stop", None)
    _of_this_thread.stop = stop
    try:
        yield
    finally:
        _of_this_thread.stop = before


def interruptible(generator: Generator[Y, S, R]) -> Generator[Y, S, R]:
    """A driver's waiting generator, resumed at least every 0.1 s, that looks for this thread's stop each time."""
    stop: Stop | None = getattr(_of_this_thread, "stop", None)
    if stop is None:
        return (yield from generator)
    try:
        value = next(generator)
        while True:
            ready = yield value
            stop.check()
            value = generator.send(ready)
    except StopIteration as end:
        result: R = end.value
        return result


class Socket:
    """Waits on one socket. Raises `Cancelled` on a stop and `stalled` after `seconds` without readiness.

    Used by the thread that made it: whose waits they are, source's or store's, is what `stalled` says.
    """

    def __init__(self, fd: int, stop: Stop, seconds: float, stalled: errors.ExtractionError) -> None:
        self._stop, self._seconds, self._stalled = stop, seconds, stalled
        self._clock = waits.clock()
        self._peer = waits.Wait.SOURCE if isinstance(stalled, errors.SourceError) else waits.Wait.STORE
        self._fd = fd
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(fd, select.POLLIN)
        self._writable.register(fd, select.POLLIN | select.POLLOUT)
        for poller in (self._readable, self._writable):
            poller.register(stop.fileno(), select.POLLIN)
        self._since: float | None = None  # when the present silence was first noticed
        self._pause = _SHORTEST_POLL

    def readable(self, low_water: bool = False) -> None:
        """Wait until bytes can be read.

        low_water: the socket has a low-water mark, so fewer bytes may lie there unseen: look soon, then
        less and less often.
        """
        self._wait(self._readable, self._pause if low_water else _LONGEST_POLL)

    def writable(self) -> None:
        """Wait until the socket takes bytes, or has some that must be read first."""
        self._wait(self._writable, _LONGEST_POLL)

    def moved(self) -> None:
        """Bytes have moved: the silence, if there was one, is over. A stop is seen here by who never has to wait."""
        self._stop.check()
        self._since = None
        self._pause = _SHORTEST_POLL

    def _wait(self, poller: select.poll, longest: float) -> None:
        before = self._clock.turn(self._peer)
        try:
            ready = poller.poll(longest * 1000)
        finally:
            self._clock.turn(before)
        if ready:
            self._stop.check()
            self._since = None
            return
        self._pause = min(self._pause * 2, _LONGEST_POLL)
        if self._unread():
            self._since = None
            return
        now = time.monotonic()
        if self._since is None:
            self._since = now
        elif now - self._since > self._seconds:
            raise self._stalled

    def _unread(self) -> bool:
        """Whether bytes lie there, fewer than the low-water mark."""
        count = array("i", [0])
        fcntl.ioctl(self._fd, termios.FIONREAD, count)
        return count[0] > 0
