"""Which jobs the worker may fetch: none of an extraction whose source has no room; they would only go back again."""

import threading
import time
from collections.abc import Callable

from extraction_agent import deadlines
from extraction_agent.protect.guard import Guard
from extraction_agent.store import queue


class Admission:
    """`refuse` from any thread, the rest from the agent's loop."""

    def __init__(self, only: int | None, running: Callable[[], list[int]]) -> None:
        """only: this extraction is worked on; None: all. running: asks the store for all, when it must be known."""
        self._only, self._ask = only, running
        self._full: dict[int, tuple[Guard, float]] = {}  # extraction: its guard, since when
        self._running: list[int] = []
        self._lock = threading.Lock()

    def refuse(self, extraction_id: int, guard: Guard) -> None:
        """A chunk of it found no room."""
        with self._lock:
            self._full[extraction_id] = (guard, time.monotonic())

    @property
    def waits(self) -> bool:
        """Whether some extraction's source has no room."""
        return bool(self._full)

    def look(self) -> None:
        """Learn what else runs, in a thread; only while something waits does anybody need to know."""
        if self._full and self._only is None:
            self._running = self._ask()

    def queues(self) -> list[str] | None:
        """Those to fetch from now. None: all."""
        with self._lock:
            for extraction_id, (guard, since) in list(self._full.items()):
                # A while at least: where the room is another agent's to take, one look at the guard would be a spin.
                if guard.has_room and time.monotonic() - since > deadlines.ROOM:
                    del self._full[extraction_id]
            if self._only is not None:
                return [] if self._only in self._full else [queue.queue_of(self._only)]
            if not self._full:
                return None
            return [queue.queue_of(number) for number in self._running if number not in self._full]
