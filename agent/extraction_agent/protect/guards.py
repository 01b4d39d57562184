"""All guards and breakers of one agent: one of each per database, made when a chunk first asks for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from extraction_agent import errors, postgres
from extraction_agent.profiles import Settings, SourceGuard
from extraction_agent.protect.breaker import Breaker, Breakers
from extraction_agent.protect.guard import Guard, Stats
from extraction_agent.protect.pace import Pace, Share
from extraction_agent.sources.postgresql_probe import Probe
from extraction_agent.sources.protocol import Source
from extraction_agent.waiting import Stop

_OURS = "^extraction-agent(?! store$)"  # sessions at the store that are not others: those of the daemon's pool are


class NoRoom(errors.ExtractionError):
    """A chunk was not begun: its database has enough to do, or nobody may read it now. Says nothing of the chunk."""

    transient = True

    def __init__(self, guard: Guard) -> None:
        super().__init__(f"{guard.name} has no room for another chunk now.")
        self.guard = guard


class Guards:
    """Safe for many threads."""

    def __init__(self, store_url: str, settings: Settings, *beside: Share) -> None:
        """beside: whom relays make way for on this host, whatever their databases feel."""
        self.breakers = Breakers()
        self._settings, self._beside = settings, beside
        self._lock = threading.Lock()
        self._sources: dict[str, Guard] = {}
        where = postgres.address(store_url, "store")
        self.store_breaker = self.breakers.of(where, errors.StoreUnavailable)
        self._store = Guard(
            where,
            lambda: Probe(store_url, postgres.STORE, "store", _OURS),
            _at_store(settings),
            settings.reading.chunks_in_flight,
            self.store_breaker,
        )

    def breaker(self, source: Source) -> Breaker:
        """Of a source's server."""
        return self.breakers.of(f"source {source.server}", errors.SourceUnavailable)

    def of(self, source: Source) -> Guard:
        """Of a source's server."""
        breaker = self.breaker(source)
        with self._lock:
            if source.server not in self._sources:
                settings = self._settings
                self._sources[source.server] = Guard(
                    f"source {source.server}",
                    source.probe,
                    settings.source_guard,
                    settings.reading.chunks_in_flight,
                    breaker,
                )
            guard = self._sources[source.server]
            guard.connect = source.probe  # the latest password
            return guard

    @contextmanager
    def copying(self, source: Source, stop: Stop) -> Iterator[Pace | None]:
        """Around one chunk. Gives the pace of its relay. Raises NoRoom, Cancelled."""
        if not self._settings.source_guard.enabled:
            yield Pace(stop, *self._beside) if self._beside else None
            return
        guard = self.of(source)
        if not guard.enter(stop):
            raise NoRoom(guard)
        try:
            if not self._store.enter(stop):
                raise NoRoom(self._store)
            try:
                yield Pace(stop, guard, self._store, *self._beside, spares=lambda: guard.spares)
            finally:
                self._store.leave()
        finally:
            guard.leave()

    def stats(self) -> list[Stats]:
        """Of each guard, the store's first. None while the profile has them off."""
        with self._lock:
            sources = list(self._sources.values())
            enabled = self._settings.source_guard.enabled
        return [guard.stats() for guard in (self._store, *sources)] if enabled else []

    def resize(self, settings: Settings) -> None:
        """A changed profile, from now on."""
        with self._lock:
            self._settings = settings
            for guard in self._sources.values():
                guard.resize(settings.source_guard, settings.reading.chunks_in_flight)
            self._store.resize(_at_store(settings), settings.reading.chunks_in_flight)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for guard in (*self._sources.values(), self._store):
            guard.close()


def _at_store(settings: Settings) -> SourceGuard:
    """The store is there to be written to: it bears more, at any hour, and by as many sessions as sources allow."""
    guard = settings.source_guard
    changes = {"quiet_hours": (), "max_share_of_time": 1.0, "tolerated_rise": guard.tolerated_rise_of_store}
    return guard.model_copy(update={**changes, "max_connections": 1000, "max_transaction_seconds": None})
