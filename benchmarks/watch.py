"""Watches a service while it works: what its metrics say, its process, its sessions, and the CPU of both servers."""

import threading
import time
from dataclasses import dataclass
from typing import Any, LiteralString, Self

import psycopg

from benchmarks import usage
from benchmarks.bench import Bench
from benchmarks.sampler import Sampler
from benchmarks.scraped import Counts, counts
from benchmarks.service import Service

POOL = "store"  # the pool whose size a profile sets
_EVERY = 1.0  # s from one look at processes and sessions to the next
_SESSIONS: LiteralString = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'extraction-agent%'"


@dataclass(frozen=True, slots=True)
class Spent:
    """At one moment: CPU seconds so far, and what the daemon has counted."""

    at: float
    agent_cpu: float
    source_cpu: float
    store_cpu: float
    counts: Counts


class Watch:
    """From enter to exit."""

    def __init__(self, service: Service, bench: Bench, slot_seconds: float = _EVERY) -> None:
        """slot_seconds: how long each sample is."""
        self._service, self._bench = service, bench
        self.sampler = Sampler(service.metrics, slot_seconds)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self.sessions_most = 0

    def __enter__(self) -> Self:
        self._connections = [
            psycopg.connect(url, autocommit=True) for url in (self._bench.source_url, self._bench.store.url())
        ]  # each server tells of all its databases
        self.sampler.__enter__()
        self._thread.start()
        self.first = self.last = self._spent()
        return self

    def __exit__(self, *error: Any) -> None:
        self.last = self._spent()
        self._ended.set()
        self._thread.join()
        self._look()
        self.sampler.__exit__(*error)
        for connection in self._connections:
            connection.close()

    @property
    def seconds(self) -> float:
        return self.last.at - self.first.at

    @property
    def records(self) -> int:
        """Committed meanwhile."""
        return self.last.counts.records - self.first.counts.records

    @property
    def agent_cpu(self) -> float:
        return self.last.agent_cpu - self.first.agent_cpu

    @property
    def source_cpu(self) -> float:
        return self.last.source_cpu - self.first.source_cpu

    @property
    def store_cpu(self) -> float:
        return self.last.store_cpu - self.first.store_cpu

    @property
    def rss_peak(self) -> int:
        """Of the daemon's whole life."""
        return usage.resident(self._service.pid)[1]

    def _spent(self) -> Spent:
        source, store = self._bench.source.pid, self._bench.store.pid
        assert source is not None
        assert store is not None
        return Spent(
            time.monotonic(),
            usage.cpu_seconds(self._service.pid),
            usage.cpu_seconds(source),
            usage.cpu_seconds(store),
            counts(self._service.metrics()),
        )

    def _go_on(self) -> None:
        while not self._ended.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        found = 0
        for connection in self._connections:
            row = connection.execute(_SESSIONS).fetchone()
            assert row is not None
            found += row[0]
        self.sessions_most = max(self.sessions_most, found)
