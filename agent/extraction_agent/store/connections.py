"""psycopg_pool's ConnectionPool, with what a service needs that runs for months beside a store that restarts."""

from collections import deque
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from types import TracebackType
from typing import Any, Protocol

import psycopg_pool

from extraction_agent import postgres
from extraction_agent.observe import metrics


class Breaker(Protocol):
    """Entered around each attempt to open a connection; while the store is down it refuses with one of our errors."""

    @property
    def refusal(self) -> Exception | None:
        """What entering it would raise now."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Pooled(postgres.Connection):
    """A connection of a pool."""

    idle_since = 0.0  # monotonic


class Connections(psycopg_pool.ConnectionPool[Pooled]):
    """Where the base, of release 3.3, would leave us:

    - after an outage it pauses for up to minutes between attempts, and whoever waits when it has given up is forgotten;
    - `resize` to less closes nothing, and to more may pass the maximum;
    - of connections too many it closes one each `max_idle`; one past its life is closed only after another use;
    - a caller whose wait has timed out stays in its queue and in its figures;
    - while the store is down, callers wait for as long as they may, and keep their threads from those who need none.

    It is used without the base's `check`, which sleeps 1, 2, 4, … s between one dead connection and the next, and
    without its `reset`, which waits for a worker that may be waiting for a server. The tests of the pools hold all
    this against the release in use.
    """

    refused: Exception | None = None  # why the latest attempt to open a connection failed; None: it did not
    breaker: Breaker | None = None
    where = "store"  # in errors
    _lent = 0

    def _connect(self, timeout: float | None = None) -> Pooled:
        begun = monotonic()
        breaker: AbstractContextManager[object] = self.breaker or nullcontext()
        try:
            with breaker, postgres.translated(postgres.STORE, self.where):
                connection = self._attempt(timeout)
        except Exception:
            self._refuse_waiting()
            raise
        self.refused = None
        connection.idle_since = monotonic()
        metrics.POOL_CREATION_SECONDS.labels(self.name).observe(connection.idle_since - begun)
        return connection

    def _attempt(self, timeout: float | None) -> Pooled:
        try:
            return super()._connect(timeout)
        except Exception as error:
            self.refused = error
            raise

    def getconn(self, timeout: float | None = None) -> Pooled:
        """Raises what the breaker says, if no connection is at hand and none can come back."""
        if not (self._pool or self._lent) and self.breaker is not None and (refusal := self.breaker.refusal):
            raise refusal
        connection = super().getconn(timeout)
        with self._lock:
            self._lent += 1
        return connection

    def _refuse_waiting(self) -> None:
        """Once the breaker is open, whoever waits is told so, unless a connection may come back."""
        if self.breaker is None or (refusal := self.breaker.refusal) is None:
            return
        with self._lock:
            if self._lent:
                return
            waiting, self._waiting = self._waiting, deque()
        for client in waiting:
            client.fail(self.breaker.refusal or refusal)  # one each: threads that raise it add to its traceback

    def putconn(self, conn: Pooled) -> None:
        conn.idle_since = monotonic()
        with self._lock:
            self._lent -= 1
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
