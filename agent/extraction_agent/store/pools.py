"""A pool of connections to the store, each lent as a Store: bounded, checked, measured, resized while it works."""

import contextlib
import logging
import select
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import psycopg_pool
from psycopg.pq import TransactionStatus

from extraction_agent import deadlines, errors, postgres, profiles
from extraction_agent.observe import metrics
from extraction_agent.store.connection import prepare
from extraction_agent.store.connections import Breaker, Connections, Pooled, options
from extraction_agent.store.reporting import forget, report
from extraction_agent.store.store import Store

log = logging.getLogger(__name__)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # three lines a loan; what matters of it is told here

_FRESH = 0.5  # s; a connection used that lately is asked nothing, unless its server has said something
_NOT_THE_TAKER = {__file__, contextlib.contextmanager.__code__.co_filename}


@dataclass(frozen=True, slots=True)
class Stats:
    """What a pool is and has done."""

    minimum: int
    maximum: int
    active: int
    idle: int
    pending: int  # callers that wait
    timeouts: int
    leaks: int


@dataclass(slots=True)
class _Loan:
    """Who has a connection, and since when."""

    place: str  # file:line
    since: float
    longest: float  # s; held for longer, it may be a leak
    leaked: bool = False


class Pool:
    """Safe for many threads. Opens connections by itself, and goes on trying while the store is away."""

    def __init__(self, url: str, settings: profiles.Pool, name: str = "store", breaker: Breaker | None = None) -> None:
        """name: in metrics and logs. breaker: of the store; while it is open, nobody waits for a connection in vain.

        Raises UsageError for a URL that is none; does not wait for the store.
        """
        self.name, self.where = name, postgres.address(url, "store")
        self._url, self._settings = url, settings
        self._loans: dict[Pooled, _Loan] = {}
        self._pending = self._timeouts = self._leaks = 0
        self._closing = False
        self._changed = threading.Condition()
        self._told_refusal = False
        self._end = threading.Event()
        self._connections = Connections(
            url,
            connection_class=Pooled,
            kwargs=options(f"extraction-agent {name}"),
            configure=self._prepare,
            min_size=settings.minimum_idle,
            max_size=settings.maximum,
            max_idle=settings.idle_timeout_seconds,
            max_lifetime=settings.max_lifetime_seconds,
            reconnect_timeout=deadlines.POOL_RECONNECT,
            name=name,
            open=False,
        )
        self._connections.breaker, self._connections.where = breaker, self.where
        self._connections.open()
        report(
            name,
            active=lambda: len(self._loans),
            idle=lambda: self.stats().idle,
            pending=lambda: self._pending,
            maximum=lambda: self._settings.maximum,
            minimum=lambda: self._settings.minimum_idle,
        )
        metrics.POOL_TIMEOUTS.labels(name)
        metrics.POOL_LEAKS.labels(name)
        self._keeper = threading.Thread(target=self._keep, name=f"{name}-keeper", daemon=True)
        self._keeper.start()

    @contextlib.contextmanager
    def store(self, longest: float = 0.0) -> Iterator[Store]:
        """Lend a connection. Raises StoreUnavailable if none is to be had in time, or by the breaker.

        longest: s for which it is held on purpose, and is no leak.
        """
        connection, loan = self._take(_taker(), longest)
        try:
            yield Store.over(connection, self._url, self.where)
        finally:
            self._give_back(connection, loan)

    def resize(self, settings: profiles.Pool) -> None:
        """Take other settings. What is lent stays lent; connections too many are closed as they come back."""
        self._settings = settings
        self._connections.max_idle = settings.idle_timeout_seconds
        self._connections.max_lifetime = settings.max_lifetime_seconds  # of connections opened from now on
        self._connections.resize(settings.minimum_idle, settings.maximum)

    def stats(self) -> Stats:
        return Stats(
            minimum=self._settings.minimum_idle,
            maximum=self._settings.maximum,
            active=len(self._loans),
            idle=self._connections.get_stats()["pool_available"],
            pending=self._pending,
            timeouts=self._timeouts,
            leaks=self._leaks,
        )

    def close(self, deadline: float = deadlines.SHUTDOWN) -> bool:
        """Lend nothing more; wait up to `deadline` seconds for what is lent. Returns whether all came back."""
        end = time.monotonic() + deadline
        with self._changed:
            self._closing = True
            returned = self._changed.wait_for(lambda: not (self._loans or self._pending), deadline)
            for loan in self._loans.values():
                log.warning("pool %s: a connection taken at %s was not given back", self.name, loan.place)
        self._end.set()
        threads = self._connections.num_workers + 2  # each is waited for in turn: a scheduler, the keeper
        patience = max(end - time.monotonic(), 0.1) / threads
        self._connections.close(patience)
        self._keeper.join(patience)
        forget(self.name)
        return returned

    # Lending

    def _take(self, place: str, longest: float) -> tuple[Pooled, _Loan]:
        begun = time.monotonic()
        loan: _Loan | None = None
        patience = self._settings.connection_timeout_seconds
        with self._changed:
            if self._closing:
                raise self._ended()
            self._pending += 1
        try:
            connection = self._living(begun + patience)
            loan = _Loan(place, time.monotonic(), longest)
        except psycopg_pool.PoolTimeout:
            with self._changed:
                self._timeouts += 1
            metrics.POOL_TIMEOUTS.labels(self.name).inc()
            raise errors.StoreUnavailable(f"{self.where}: {self._why(patience)}") from None
        except psycopg_pool.PoolClosed:
            raise self._ended() from None
        finally:
            with self._changed:
                self._pending -= 1
                if loan is not None:
                    self._loans[connection] = loan
                self._changed.notify_all()
        metrics.POOL_ACQUIRE_SECONDS.labels(self.name).observe(loan.since - begun)
        return connection, loan

    def _living(self, deadline: float) -> Pooled:
        """A connection whose server is there; dead ones are thrown away on the way to it."""
        while True:
            connection = self._connections.getconn(max(deadline - time.monotonic(), 0))
            try:
                if _lives(connection, deadline):
                    return connection
            except BaseException:
                self._connections.putconn(connection)
                raise
            self._connections.putconn(connection)

    def _give_back(self, connection: Pooled, loan: _Loan) -> None:
        try:
            self._reset(connection, loan)
        finally:
            held = time.monotonic() - loan.since
            with self._changed:
                del self._loans[connection]  # before the next taker can have it
                self._changed.notify_all()
            self._connections.putconn(connection)
            self._note_leak(loan, held)
            metrics.POOL_USAGE_SECONDS.labels(self.name).observe(held)

    def _reset(self, connection: Pooled, loan: _Loan) -> None:
        """Leave nothing of one taker to the next; close what cannot be brought to rest."""
        connection.deadline = deadlines.STATEMENT
        status = connection.pgconn.transaction_status
        if status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            log.warning("pool %s: a transaction left open by %s is rolled back", self.name, loan.place)
            with contextlib.suppress(psycopg.Error), connection.within(deadlines.POOL_CHECK):
                connection.rollback()
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.close()

    def _prepare(self, connection: Pooled) -> None:
        try:
            prepare(connection, self._url, self.where)
        except BaseException:
            connection.close()
            raise

    # Telling

    def _why(self, patience: float) -> str:
        """A time-out in words."""
        refused = self._connections.refused
        if refused is None:
            return (
                f"all {self._settings.maximum} connections of the pool were in use for {patience:g} s. "
                "Try again later, or raise pool.maximum in the profile."
            )
        if isinstance(refused, psycopg.Error):
            return f"no connection within {patience:g} s: {postgres.describe(refused)}{postgres.advice(refused)}."
        return f"no connection within {patience:g} s: {refused}"

    def _ended(self) -> errors.StoreUnavailable:
        return errors.StoreUnavailable(f"{self.where}: the agent is stopping and lends no connection any more.")

    def _keep(self) -> None:
        while not self._end.wait(deadlines.POOL_ROUND):
            try:
                self._connections.tend()
                self._look_for_leaks()
                self._tell_refusal()
            except Exception:
                log.exception("pool %s could not be tended; it is tried again", self.name)

    def _look_for_leaks(self) -> None:
        now = time.monotonic()
        with self._changed:
            loans = list(self._loans.values())
        for loan in loans:
            self._note_leak(loan, now - loan.since)

    def _note_leak(self, loan: _Loan, held: float) -> None:
        """Once a loan, by whoever is first to see it: the keeper, or its end."""
        with self._changed:
            if loan.leaked or held <= max(self._settings.leak_seconds, loan.longest):
                return
            loan.leaked = True
            self._leaks += 1
        metrics.POOL_LEAKS.labels(self.name).inc()
        log.warning("pool %s: a connection taken at %s has been held for %.1f s", self.name, loan.place, held)

    def _tell_refusal(self) -> None:
        """Once an outage, and once at its end."""
        refused = self._connections.refused
        if (refused is not None) != self._told_refusal:
            self._told_refusal = refused is not None
            if refused is None:
                log.info("pool %s: connected to %s again", self.name, self.where)
            else:
                told = postgres.describe(refused) if isinstance(refused, psycopg.Error) else str(refused)
                log.warning("pool %s: no connection to %s: %s", self.name, self.where, told)


def _lives(connection: Pooled, deadline: float) -> bool:
    """Whether the server is still at the other end; asks it where that is not plain."""
    if connection.closed:
        return False
    socket = select.poll()
    socket.register(connection.fileno(), select.POLLIN)
    said_something = socket.poll(0)  # a server says nothing unasked but that it ends
    now = time.monotonic()
    if not said_something and now - connection.idle_since < _FRESH:
        return True
    try:
        with connection.within(max(min(deadlines.POOL_CHECK, deadline - now), 0.001)):
            connection.execute("")
    except psycopg.Error:
        connection.close()
        return False
    return True


def _taker() -> str:
    """Where the `with` stands that asks for a connection."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename in _NOT_THE_TAKER and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
