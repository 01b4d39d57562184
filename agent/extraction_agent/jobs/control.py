"""An agent's ways to the store: one connection for short actions, others for long ones; and its two stops."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from extraction_agent import errors
from extraction_agent.model import Status
from extraction_agent.protect.breaker import Breaker
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop, ended_by

log = logging.getLogger(__name__)

T = TypeVar("T")


class Control:
    """Safe for many threads."""

    def __init__(self, store_url: str, agent: str, breaker: Breaker | None = None) -> None:
        """agent: its name. breaker: of the store."""
        self.agent = agent
        self.stop = Stop()  # ends relays and what belongs to them
        self.give_up = Stop()  # ends what cleans up after them
        self._url = store_url
        self._breaker: AbstractContextManager[object] = breaker or nullcontext()
        self._store: Store | None = None
        self._lock = threading.Lock()

    def open(self) -> Store:
        """A connection of the caller's own."""
        with self._breaker:
            store = Store(self._url, f"extraction-agent {self.agent}")
        store.who = f"agent:{self.agent}"
        return store

    def run(self, action: Callable[[Store], T]) -> T:
        """Run a short action on the one connection for such, opened when needed."""
        with self._lock, ended_by(self.give_up):
            if self._store is None or not self._store.usable:
                if self._store is not None:
                    self._store.close()
                self._store = self.open()
            return action(self._store)

    def fail(self, extraction_id: int, message: str) -> None:
        """Fail an extraction that still runs."""
        if self.run(lambda store: store.end(extraction_id, Status.FAILED, message)):
            log.warning("extraction %s failed: %s", extraction_id, message)

    def finish(self, store: Store, extraction_id: int) -> bool:
        """Finish an extraction whose chunks are done; what no retry can mend fails it. Returns whether it ended."""
        try:
            return store.finish(extraction_id)
        except errors.Unreadable as error:
            self.fail(extraction_id, str(error))
            return True
        except errors.StoreError as error:
            if error.transient:
                raise
            self.fail(extraction_id, f"Every chunk is done, but the store refused to index and attach them: {error}")
            return True

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        self.stop.close()
        self.give_up.close()
