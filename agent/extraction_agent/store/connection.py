"""One connection to the store: how it is opened, and how its SQL is run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql as q
from psycopg.types.json import Jsonb

from extraction_agent import postgres, sql
from extraction_agent.store import migrate

_QUERIES = "extraction_agent.store.queries"


class StoreConnection:
    """Not for two threads at once. Raises StoreError, StoreUnavailable; UsageError for a store that is not fit."""

    def __init__(self, conninfo: str, application_name: str = "extraction-agent", check: bool = True) -> None:
        self.conninfo = conninfo
        self.where = postgres.address(conninfo, "store")
        with self._errors():
            self.connection = postgres.connect(conninfo, application_name=application_name)
        try:
            with self._errors():
                self.connection.execute(sql.load(_QUERIES, "session"))
                with suppress(psycopg.errors.InvalidParameterValue):  # a platform that cannot tell: keepalives do
                    self.connection.execute(sql.load(_QUERIES, "check_interval"))
                postgres.refuse_pooler(self.connection, conninfo, self.where)
                if check:
                    migrate.check(self.connection)
        except BaseException:
            self.connection.close()
            raise

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
        with self._errors(), self.connection.transaction():
            yield

    def _run(self, query: LiteralString, /, **values: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        with self._errors():
            return self.connection.execute(sql.load(_QUERIES, query), values)

    def _one(self, query: LiteralString, /, **values: Any) -> tuple[Any, ...] | None:
        return self._run(query, **values).fetchone()

    def _compose(self, name: LiteralString, **parts: q.Composable) -> None:
        with self._errors():
            self.connection.execute(q.SQL(sql.load(_QUERIES, name)).format(**parts))


def jsonb(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
