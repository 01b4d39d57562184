"""How fast records move: counted block by block as they pass, over the last 60 s.

Per minute in which this agent had a chunk in flight, so that neither an idle minute nor the first seconds of an
extraction look slow. In flight is everything from taking a connection to the store's commit: an agent that waits for
its pool, its source or its store is slow, not idle. To index what was copied moves no records, however long it takes.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from extraction_agent.observe import metrics

WINDOW = 60  # s


@dataclass(slots=True)
class _Second:
    rows: int = 0
    busy: float = 0.0


@dataclass(frozen=True, slots=True)
class Recent:
    """What the last seconds have seen, and what is at hand now."""

    rows: int  # moved
    busy: float  # s with a chunk in flight
    chunks: int  # in flight
    expected: int  # rows that are still to come of those chunks, by their plan


class Throughput:
    """Safe for many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._at = clock()
        self._seconds = deque([_Second()], maxlen=WINDOW)
        self._in_flight = self._expected = 0
        self._mine = threading.local()  # rows still to come of this thread's chunk

    @contextmanager
    def busy(self, expected: int = 0) -> Iterator[None]:
        """A chunk is in flight. expected: its rows, as far as its plan tells; 0: nobody knows."""
        before = self._still_to_come
        self._mine.rows = expected
        self._change(1, expected)
        try:
            yield
        finally:
            self._change(-1, -self._still_to_come)
            self._mine.rows = before

    @contextmanager
    def chunk(self) -> Iterator[Callable[[int], None]]:
        """One chunk's transaction; gives what counts the rows that have passed. On an error they are taken back."""
        mine: deque[tuple[_Second, _Second]] = deque(maxlen=WINDOW)  # a second of all chunks, this one's share in it
        begun = self._clock()

        def moved(rows: int) -> None:
            with self._lock:
                self._advance()
                now = self._seconds[-1]
                if not mine or mine[-1][0] is not now:
                    mine.append((now, _Second()))
                for second in (now, mine[-1][1]):
                    second.rows += rows
                self._have_come(rows)

        try:
            yield moved
        except BaseException:
            with self._lock:
                for second, share in mine:
                    second.rows -= share.rows
            raise
        with self._lock:
            self._have_come(self._still_to_come)
        metrics.CHUNK_SECONDS.observe(self._clock() - begun)

    def per_minute(self) -> float:
        """Records per busy minute of the window; 0 if nothing was in flight."""
        with self._lock:
            self._advance()
            busy = sum(second.busy for second in self._seconds)
            return 60 * sum(second.rows for second in self._seconds) / busy if busy else 0.0

    def per_second(self) -> list[int]:
        """Records that moved in each whole second of the window, the oldest first."""
        with self._lock:
            self._advance()
            moved = [second.rows for second in self._seconds]
        return [0] * (WINDOW - len(moved)) + moved[:-1]

    def recent(self, seconds: int) -> Recent:
        """seconds: how many, the present one among them; never more than WINDOW."""
        with self._lock:
            self._advance()
            seen = list(self._seconds)[-seconds:] if seconds > 0 else []
            rows, busy = sum(second.rows for second in seen), sum(second.busy for second in seen)
            return Recent(rows, busy, self._in_flight, self._expected)

    def _change(self, by: int, expected: int) -> None:
        with self._lock:
            self._advance()
            self._in_flight += by
            self._expected += expected
            metrics.CHUNKS_IN_FLIGHT.set(self._in_flight)

    @property
    def _still_to_come(self) -> int:
        return getattr(self._mine, "rows", 0)

    def _have_come(self, rows: int) -> None:
        rows = min(rows, self._still_to_come)
        self._mine.rows = self._still_to_come - rows
        self._expected -= rows

    def _advance(self) -> None:
        """Bring the window up to now."""
        now = self._clock()
        if self._in_flight:
            metrics.BUSY.inc(now - self._at)
        at = max(self._at, now - WINDOW)  # what is older has left the window
        while int(at) < int(now):
            self._spend(int(at) + 1 - at)
            self._seconds.append(_Second())
            at = int(at) + 1
        self._spend(now - at)
        self._at = now

    def _spend(self, seconds: float) -> None:
        if self._in_flight:
            self._seconds[-1].busy += seconds


of_this_agent = Throughput()
metrics.THROUGHPUT.set_function(of_this_agent.per_minute)
