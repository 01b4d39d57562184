"""Looks on at our own sessions at a PostgreSQL database, ten times a second, over one connection and in one thread."""

import threading
import time
from collections import Counter
from typing import Any

import psycopg

from extraction_agent import deadlines, errors, postgres, sql
from extraction_agent.profiling.evidence import Sessions
from extraction_agent.profiling.flame import OUR_THREADS

PACKAGE = "extraction_agent.profiling.sql"
EVERY = 0.1  # s
_TOUCH_EVERY = 10  # looks
_MOST_BLOCKERS = 5
_EXTEND = "Lock:extend"  # a file that several sessions make longer: the server's own work


def connect(conninfo: str, side: postgres.Translation, where: str) -> postgres.Connection:
    """A session that only looks. Raises what its side raises."""
    with postgres.translated(side, where):
        connection = postgres.connect(conninfo, application_name="extraction-agent profile")
        try:
            connection.execute(sql.load(PACKAGE, "session"))
        except psycopg.Error:
            connection.close()
            raise
    return connection


class Watch:
    """One database, from start() to stop()."""

    def __init__(self, conninfo: str, side: postgres.Translation, where: str, ours: str) -> None:
        """ours: application names of our sessions, as a regular expression."""
        self.where = where
        self._conninfo, self._side, self._ours = conninfo, side, ours
        self.round_trip: float | None = None
        self.failure: str | None = None
        self._looks, self._seconds = 0, 0.0
        self._waits: Counter[str] = Counter()  # sessions seen so
        self._blocked_by: list[str] = []
        self._holders: set[tuple[int, ...]] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{OUR_THREADS}sessions", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(deadlines.STATEMENT)

    @property
    def seen(self) -> Sessions | None:
        """None: it could not look even once."""
        if not self._looks:
            return None
        each = self._seconds / self._looks
        waits = {name: count * each for name, count in self._waits.most_common()}
        locked = sum(seconds for name, seconds in waits.items() if name.startswith("Lock:") and name != _EXTEND)
        for_us = sum(seconds for name, seconds in waits.items() if name.startswith("Client:"))
        return Sessions(
            looks=self._looks,
            at_work=sum(waits.values()) - locked - for_us,
            locked=locked,
            waits=waits,
            blocked_by=tuple(self._blocked_by),
        )

    def _run(self) -> None:
        try:
            connection = connect(self._conninfo, self._side, self.where)
        except errors.ExtractionError as error:
            self.failure = str(error)
            return
        begun = time.monotonic()
        try:
            with postgres.translated(self._side, self.where):
                while not self._ended.is_set():
                    if self._looks % _TOUCH_EVERY == 0:
                        self._touch(connection)
                    self._look(connection)
                    self._seconds = time.monotonic() - begun
                    self._ended.wait(EVERY)
        except errors.ExtractionError as error:
            self.failure = str(error)
        finally:
            connection.close()

    def _touch(self, connection: postgres.Connection) -> None:
        begun = time.perf_counter()
        connection.execute("SELECT 1")
        took = time.perf_counter() - begun
        self.round_trip = took if self.round_trip is None else min(self.round_trip, took)

    def _look(self, connection: postgres.Connection) -> None:
        rows: list[tuple[Any, ...]] = connection.execute(sql.load(PACKAGE, "sessions"), {"ours": self._ours}).fetchall()
        self._looks += 1
        for pid, kind, event, holders in rows:
            self._waits[f"{kind}:{event}" if kind else "CPU"] += 1
            if holders and len(self._blocked_by) < _MOST_BLOCKERS and tuple(holders) not in self._holders:
                self._holders.add(tuple(holders))
                self._ask_who(connection, pid, holders)

    def _ask_who(self, connection: postgres.Connection, pid: int, holders: list[int]) -> None:
        found = connection.execute(sql.load(PACKAGE, "blocked"), {"pid": pid, "holders": holders}).fetchall()
        for mode, what, holder, name, state, age in found:
            since = "" if age is None else f", its transaction open for {age:,.1f} s"
            self._blocked_by.append(f"{mode} on {what} is held up by session {holder} ({name}, {state}{since}).")
