"""Where a command does its work: on the store itself, or by an agent (client.py)."""

from typing import Protocol

from extraction_agent.model import Summary
from extraction_agent.pipeline import ending
from extraction_agent.store.audit import Entry
from extraction_agent.store.store import Store


class Where(Protocol):
    """What can be done on a store and through an agent alike."""

    def close(self) -> None: ...

    def summary(self, extraction_id: int) -> Summary: ...

    def summaries(self, limit: int) -> list[Summary]: ...

    def cancel(self, extraction_id: int) -> Summary: ...

    def reopen(self, extraction_id: int) -> Summary: ...

    def entries(self, limit: int, object_: str | None = None) -> list[Entry]: ...


class AtStore:
    """On the store itself, over one connection, and another when that is lost."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._store: Store | None = None

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> Store:
        if self._store is None or not self._store.usable:
            self.close()
            self._store = Store(self.url)
        return self._store

    def summary(self, extraction_id: int) -> Summary:
        return self.store.summary(extraction_id)

    def summaries(self, limit: int) -> list[Summary]:
        return self.store.summaries(limit=limit)

    def cancel(self, extraction_id: int) -> Summary:
        return ending.cancel(self.store, extraction_id)

    def reopen(self, extraction_id: int) -> Summary:
        ending.reopen(self.store, extraction_id)
        return self.store.summary(extraction_id)

    def entries(self, limit: int, object_: str | None = None) -> list[Entry]:
        return self.store.entries(limit, object_=object_)
