"""One connection to the store: how it is opened, and how its SQL is run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql as q
from psycopg.types.json import Jsonb

from extraction_agent import postgres, sql
from extraction_agent.observe import metrics
from extraction_agent.store import migrate

_QUERIES = "extraction_agent.store.queries"

_STATEMENTS_OF = {
    "claim": ("claim_chunk", "end_lost_attempt"),
    "fence": ("fence_chunk", "release_chunk"),
    "config": ("config_by_name", "config_names", "hold_config", "insert_config", "lock_config", "update_config"),
    "extraction": (
        "active_extraction", "end_extraction", "finish_extraction", "insert_chunks", "insert_extraction",
        "load_extraction", "lock_extraction", "status", "unfinished_chunks",
    ),
    "list": ("audit_entries", "chunks", "configs", "counts", "summaries", "tokens"),
    "queue": ("complete_extractions", "drop_jobs", "orphaned_chunks"),
    "records": ("extent",),
}  # fmt: skip
_CLASS_OF = {statement: class_ for class_, statements in _STATEMENTS_OF.items() for statement in statements}


class StoreConnection:
    """Not for two threads at once. Raises StoreError, StoreUnavailable; UsageError for a store that is not fit."""

    def __init__(self, conninfo: str, application_name: str = "extraction-agent", check: bool = True) -> None:
        self.conninfo = conninfo
        self.where = postgres.address(conninfo, "store")
        with self._errors():
            self.connection = postgres.connect(conninfo, application_name=application_name)
        try:
            with self._errors():
                prepare(self.connection, conninfo, self.where, check)
        except BaseException:
            self.connection.close()
            raise

    @classmethod
    def over(cls, connection: postgres.Connection, conninfo: str, where: str) -> Self:
        """With a connection that was prepared before, and that its owner closes."""
        store = cls.__new__(cls)
        store.conninfo, store.where, store.connection = conninfo, where, connection
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    @property
    def usable(self) -> bool:
        return self.connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with postgres.translated(postgres.STORE, self.where):
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._errors():
            with self.connection.transaction():
                yield
                begun = time.perf_counter()
            metrics.QUERY_SECONDS.labels("commit").observe(time.perf_counter() - begun)

    def _run(self, query: LiteralString, /, **values: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        with self._errors(), metrics.QUERY_SECONDS.labels(_CLASS_OF.get(query, "other")).time():
            return self.connection.execute(sql.load(_QUERIES, query), values)

    def _one(self, query: LiteralString, /, **values: Any) -> tuple[Any, ...] | None:
        return self._run(query, **values).fetchone()

    def _compose(self, name: LiteralString, **parts: q.Composable) -> None:
        with self._errors(), metrics.QUERY_SECONDS.labels("ddl").time():
            self.connection.execute(q.SQL(sql.load(_QUERIES, name)).format(**parts))


def prepare(connection: postgres.Connection, conninfo: str, where: str, check: bool = True) -> None:
    """Pin the session's settings, once a connection. Raises psycopg.Error; UsageError for a store that is not fit.

    check: refuse a store of another version too.
    """
    connection.execute(sql.load(_QUERIES, "session"))
    with suppress(psycopg.errors.InvalidParameterValue):  # a platform that cannot tell: keepalives do
        connection.execute(sql.load(_QUERIES, "check_interval"))
    postgres.refuse_pooler(connection, conninfo, where)
    if check:
        migrate.check(connection)


def jsonb(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
