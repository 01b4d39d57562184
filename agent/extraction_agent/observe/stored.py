"""What the store holds: queue, running extractions, watermarks, costliest statements. Over one connection."""

from collections.abc import Iterable, Sequence
from math import nan
from typing import Any, LiteralString

import psycopg
from prometheus_client import Gauge
from psycopg import sql as q

from extraction_agent import horizon, postgres, sql
from extraction_agent.observe import metrics

_QUERIES = "extraction_agent.observe.sql"
_STATEMENTS = 10  # at most, of pg_stat_statements
_STATUSES = ("pending", "running")
_STATES = ("waiting", "running", "done")


class Stored:
    """Opened at the first sample, opened anew after an error."""

    name = "store"

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._where = postgres.address(conninfo, "store")
        self._connection: postgres.Connection | None = None
        self._costliest: set[str] = set()
        self.forget()

    def take(self) -> None:
        try:
            with postgres.translated(postgres.STORE, self._where):
                connection = self._connection = self._connection or self._open()
                self._look(connection)
        except BaseException:
            self.close()
            raise

    def forget(self) -> None:
        for gauge in (metrics.QUEUE_DEPTH, metrics.QUEUE_AGE, metrics.WATERMARK_LAG, metrics.WATERMARK_SEEN):
            gauge.set(nan)
        _set(metrics.ACTIVE, _STATUSES, [], nan)
        _set(metrics.CHUNK_STATES, _STATES, [], nan)
        self._show_statements([])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> postgres.Connection:
        connection = postgres.connect(self._conninfo, application_name="extraction-agent sampler")
        try:
            connection.execute(sql.load(_QUERIES, "session"))
        except BaseException:
            connection.close()
            raise
        return connection

    def _look(self, connection: postgres.Connection) -> None:
        ((depth, age),) = _rows(connection, "queue")
        metrics.QUEUE_DEPTH.set(depth)
        metrics.QUEUE_AGE.set(age)
        _set(metrics.ACTIVE, _STATUSES, _rows(connection, "active_extractions"), 0)
        _set(metrics.CHUNK_STATES, _STATES, _rows(connection, "active_chunks"), 0)
        found = [horizon.facts(state) for (state,) in _rows(connection, "watermarks")]
        metrics.WATERMARK_LAG.set(
            max((fact.age_seconds for fact in found if fact.age_seconds is not None), default=nan)
        )
        metrics.WATERMARK_SEEN.set(max((fact.seen for fact in found), default=nan))
        self._show_statements(self._statements(connection))

    def _statements(self, connection: postgres.Connection) -> Sequence[tuple[Any, ...]]:
        present = _rows(connection, "has_statements")
        if not present:
            return []
        query = q.SQL(sql.load(_QUERIES, "statements")).format(
            view=q.Identifier(present[0][0], "pg_stat_statements"), most=q.Literal(_STATEMENTS)
        )
        try:
            return connection.execute(query).fetchall()
        except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InsufficientPrivilege):
            return []  # not loaded, or not for this role

    def _show_statements(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Those that are no longer among the costliest leave, so that the number of series stays bounded."""
        now = set()
        for queryid, calls, seconds in rows:
            now.add(queryid)
            metrics.STATEMENT_CALLS.labels(queryid).set(calls)
            metrics.STATEMENT_SECONDS.labels(queryid).set(seconds)
        for queryid in self._costliest - now:
            metrics.STATEMENT_CALLS.remove(queryid)
            metrics.STATEMENT_SECONDS.remove(queryid)
        self._costliest = now


def _rows(connection: postgres.Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    return connection.execute(sql.load(_QUERIES, query)).fetchall()


def _set(gauge: Gauge, labels: Iterable[str], counts: Iterable[tuple[Any, ...]], otherwise: float) -> None:
    known = {str(row[0]): float(row[1]) for row in counts}
    for label in labels:
        gauge.labels(label).set(known.get(label, otherwise))
