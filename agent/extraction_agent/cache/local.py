"""Configs cached in this process, for a single agent without Redis."""

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from extraction_agent.cache import clock
from extraction_agent.cache.protocol import TICKET_SECONDS, Key, OtherServer

_MOST = 10_000  # entries and tickets


@dataclass(slots=True)
class _Slot:
    """An entry, or the ticket of whoever brings it."""

    value: str | None
    ticket: str
    until: float


class Local:
    """Safe for many threads. Its server is this process."""

    def __init__(self) -> None:
        self._server = f"process {uuid.uuid4()}"
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def server(self) -> str:
        return self._server

    def take(self, key: Key, ticket: str) -> str | None:
        self._check(key)
        with self._lock:
            slot = self._slots.get(key.name)
            if slot is not None and slot.value is not None and clock.now() < slot.until:
                self._slots.move_to_end(key.name)
                return slot.value
            self._fill(key, _Slot(None, ticket, clock.now() + TICKET_SECONDS))
        return None

    def put(self, key: Key, ticket: str, value: str, ttl_seconds: float) -> None:
        self._check(key)
        with self._lock:
            slot = self._slots.get(key.name)
            if slot is not None and slot.value is None and slot.ticket == ticket and clock.now() < slot.until:
                self._fill(key, _Slot(value, ticket, clock.now() + ttl_seconds))

    def evict(self, key: Key) -> None:
        self._check(key)
        with self._lock:
            self._slots.pop(key.name, None)

    def close(self) -> None:
        """Nothing is open."""

    def _check(self, key: Key) -> None:
        if key.server != self._server:
            raise OtherServer("The cache in use is another agent's.")

    def _fill(self, key: Key, slot: _Slot) -> None:
        self._slots[key.name] = slot
        self._slots.move_to_end(key.name)
        while len(self._slots) > _MOST:
            self._slots.popitem(last=False)
