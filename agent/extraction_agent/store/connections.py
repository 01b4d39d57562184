"""psycopg_pool's ConnectionPool, with what a service needs that runs for months beside a store that restarts."""

from collections import deque
from time import monotonic
from typing import Any

import psycopg_pool

from extraction_agent import postgres
from extraction_agent.observe import metrics


class Pooled(postgres.Connection):
    """A connection of a pool."""

    idle_since = 0.0  # monotonic


class Connections(psycopg_pool.ConnectionPool[Pooled]):
    """Where the base, of release 3.3, would leave us:

    - after an outage it pauses for up to minutes between attempts, and whoever waits when it has given up is forgotten;
    - `resize` to less closes nothing, and to more may pass the maximum;
    - of connections too many it closes one each `max_idle`; one past its life is closed only after another use;
    - a caller whose wait has timed out stays in its queue and in its figures.

    It is used without the base's `check`, which sleeps 1, 2, 4, … s between one dead connection and the next, and
    without its `reset`, which waits for a worker that may be waiting for a server. The tests of the pools hold all
    this against the release in use.
    """

    refused: Exception | None = None  # why the latest attempt to open a connection failed; None: it did not

    def _connect(self, timeout: float | None = None) -> Pooled:
        begun = monotonic()
        try:
            connection = super()._connect(timeout)
        except Exception as error:
            self.refused = error
            raise
        self.refused = None
        connection.idle_since = monotonic()
        metrics.POOL_CREATION_SECONDS.labels(self.name).observe(connection.idle_since - begun)
        return connection

    def putconn(self, conn: Pooled) -> None:
        conn.idle_since = monotonic()
        with self._lock:
            surplus = self._nconns > self._max_size
            self._nconns -= surplus
        if surplus:
            self._close_connection(conn)
        else:
            super().putconn(conn)

    def resize(self, min_size: int, max_size: int | None = None) -> None:
        with self._lock:
            self._min_size, self._max_size = self._check_size(min_size, max_size)
        self.tend()

    def tend(self) -> None:
        """To be called every second or so: close what is too old or too many, open what is missing."""
        now = monotonic()
        with self._lock:
            if self._closed:
                return
            self._waiting = deque(client for client in self._waiting if client.error is None)
            closing = [connection for connection in self._pool if connection._expire_at <= now]
            for connection in closing:
                self._pool.remove(connection)
            self._nconns -= len(closing)
            closing += self._taken_out(self._nconns - self._max_size)
            if self._waiting or self._nconns < self._min_size:
                self._maybe_grow_pool()
        for connection in closing:
            self._close_connection(connection)

    def _shrink_pool(self) -> None:
        """Close all that nobody has needed since the last time, not one."""
        with self._lock:
            closing = self._taken_out(min(self._nconns_min, self._nconns - self._min_size))
            self._nconns_min = len(self._pool)
        for connection in closing:
            self._close_connection(connection)

    def _taken_out(self, count: int) -> list[Pooled]:
        """That many idle connections, if there are so many. Under the lock."""
        taken = [self._pool.popleft() for _ in range(min(count, len(self._pool)))]
        self._nconns -= len(taken)
        self._nconns_min = min(self._nconns_min, len(self._pool))
        return taken


def options(application_name: str) -> dict[str, Any]:
    """How each connection is opened, as `postgres.connect` does."""
    return {"autocommit": True, "application_name": application_name, **postgres.NETWORK}
