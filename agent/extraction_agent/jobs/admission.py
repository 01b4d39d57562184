"""Which jobs the worker may fetch: none of an extraction whose chunks it would only give back.

It has stepped aside from those: while the source has no room, or for some time if it cannot be reached from here.
Their jobs stay in the queue meanwhile, for agents that can.
"""

import threading
import time
from collections.abc import Callable

from extraction_agent.protect.guard import Guard
from extraction_agent.store import queue


class Admission:
    """`step_aside` from any thread, the rest from the agent's loop."""

    def __init__(self, only: int | None, running: Callable[[], list[int]]) -> None:
        """only: this extraction is worked on; None: all. running: asks the store for all, when it must be known."""
        self._only, self._ask = only, running
        self._aside: dict[int, tuple[float, Guard | None]] = {}  # extraction: until when, and until when there is room
        self._running: list[int] = []
        self._lock = threading.Lock()

    def step_aside(self, extraction_id: int, seconds: float, until_room: Guard | None = None) -> None:
        """Fetch none of its chunks for a while, and until this guard has room."""
        with self._lock:
            self._aside[extraction_id] = (time.monotonic() + seconds, until_room)

    @property
    def waits(self) -> bool:
        """Whether there is an extraction whose jobs are not fetched."""
        return bool(self._aside)

    @property
    def crowded(self) -> bool:
        """Whether it waits for room, which may be there at any moment."""
        with self._lock:
            return any(guard is not None for _, guard in self._aside.values())

    def look(self) -> None:
        """Learn what else runs, in a thread; only while something waits does anybody need to know."""
        if self._aside and self._only is None:
            self._running = self._ask()

    def queues(self) -> list[str] | None:
        """Those to fetch from now. None: all."""
        with self._lock:
            for extraction_id, (until, guard) in list(self._aside.items()):
                if time.monotonic() > until and (guard is None or guard.has_room):
                    del self._aside[extraction_id]
            if self._only is not None:
                return [] if self._only in self._aside else [queue.queue_of(self._only)]
            if not self._aside:
                return None
            return [queue.queue_of(number) for number in self._running if number not in self._aside]
