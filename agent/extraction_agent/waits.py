"""What the threads that copy wait for: the source, the store, a rest they were told to take, or nothing.

Each thread has a clock that stands on one of these and is turned at the beginning and the end of a wait: once or
twice a block, never for a row. Who asks for the totals is told of waits that still last, too. Beside it the operating
system is asked how long the thread ran, and how long it was ready to and no CPU was free.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path


class Wait(StrEnum):
    """What is waited for."""

    SOURCE = "source"
    STORE = "store"
    REST = "rest"  # of the pace that a guard sets
    NOTHING = "nothing"  # the thread works, or would if it had a CPU and the interpreter's lock


class Scheduled(StrEnum):
    """What the operating system did with a thread that did not sleep."""

    RUNNING = "running"
    READY = "ready"  # and no CPU was free


class Clock:
    """Of one thread, which alone turns it."""

    __slots__ = ("_before", "_file", "spent", "stands")

    def __init__(self) -> None:
        self._file: Path | None = None
        self._before: tuple[float, float] | None = None
        self.spent = dict.fromkeys(Wait, 0.0)  # s
        self.stands = (Wait.NOTHING, time.perf_counter())  # on what, and since when

    def turn(self, to: Wait) -> Wait:
        """Returns what it stood on."""
        now = time.perf_counter()
        on, since = self.stands
        self.stands = (to, now)  # first, or who reads between the two would count the wait twice
        self.spent[on] += now - since
        return on

    def read(self) -> dict[Wait, float]:
        """Seconds so far, from any thread. A wait that ends meanwhile may be missing, none is there twice."""
        spent = dict(self.spent)
        on, since = self.stands
        spent[on] += max(time.perf_counter() - since, 0.0)
        return spent

    def begin(self) -> None:
        """Take the operating system's figures from now on."""
        self._file = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._before = self._figures()

    def scheduled(self) -> dict[Scheduled, float]:
        """Seconds since begin(), from any thread; 0 where the operating system does not tell."""
        before, now = self._before, self._figures()
        if before is None or now is None:
            return dict.fromkeys(Scheduled, 0.0)
        return {state: now[at] - before[at] for at, state in enumerate(Scheduled)}

    def _figures(self) -> tuple[float, float] | None:
        if self._file is None:
            return None
        try:
            running, ready, *_ = self._file.read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return None
        return int(running) / 1e9, int(ready) / 1e9


_mine = threading.local()
_lock = threading.Lock()
_running: set[Clock] = set()
_told = dict.fromkeys(Wait, 0.0)  # never less from one time to the next
_ended = dict.fromkeys(Wait, 0.0)
_scheduled = dict.fromkeys(Scheduled, 0.0)  # of those that have ended


def clock() -> Clock:
    """Of this thread; one that nobody reads, where waits are not counted."""
    found: Clock | None = getattr(_mine, "clock", None)
    return Clock() if found is None else found


@contextmanager
def counted() -> Iterator[None]:
    """This thread copies a chunk, or prepares to: what it waits for counts."""
    mine = _mine.clock = Clock()
    mine.begin()
    with _lock:
        _running.add(mine)
    try:
        yield
    finally:
        mine.turn(Wait.NOTHING)
        del _mine.clock
        with _lock:
            _running.discard(mine)
            scheduled = mine.scheduled()  # inside, or who asked meanwhile may have been told of more
            for wait, seconds in mine.spent.items():
                _ended[wait] += seconds
            for state, seconds in scheduled.items():
                _scheduled[state] += seconds


@contextmanager
def waiting_for(wait: Wait) -> Iterator[None]:
    """This thread waits inside."""
    mine = clock()
    before = mine.turn(wait)
    try:
        yield
    finally:
        mine.turn(before)


def totals() -> dict[Wait, float]:
    """Seconds of all threads since the process began."""
    with _lock:
        read = [one.read() for one in _running]
        for wait in Wait:
            _told[wait] = max(_told[wait], _ended[wait] + sum(one[wait] for one in read))
        return dict(_told)


def scheduled() -> dict[Scheduled, float]:
    """Seconds of all threads, while they were counted."""
    with _lock:
        read = [one.scheduled() for one in _running]
        return {state: seconds + sum(one[state] for one in read) for state, seconds in _scheduled.items()}
