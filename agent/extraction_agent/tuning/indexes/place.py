"""A database in which indexes are built: the store, or a source that is a PostgreSQL."""

from contextlib import AbstractContextManager, suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict

from extraction_agent import errors, postgres, sources, sql
from extraction_agent.postgres import Connection

SQL = "extraction_agent.tuning.indexes.sql"
STORE = "store"  # its name in the ledger


class Place:
    """Its connections raise psycopg.Error; `translated` makes sentences of them."""

    def __init__(self, name: str, where: str, conninfo: str, side: postgres.Translation) -> None:
        """name: in the ledger."""
        self.name, self.where = name, where
        self._conninfo, self._side = conninfo, side

    @classmethod
    def store(cls, url: str) -> "Place":
        return cls(STORE, postgres.address(url, "store"), url, postgres.STORE)

    @classmethod
    def source(cls, url: str) -> "Place":
        """Raises UsageError for what is no PostgreSQL."""
        kind = sources.kind_of(url)
        if kind != "postgresql":
            raise errors.UsageError(
                f"Indexes are built, dropped and suggested at PostgreSQL only, and this source is {kind}: make them "
                "there by hand, where the server can without locking writers out."
            )
        where = postgres.address(url, "source")
        return cls(where.removeprefix("source "), where, url, postgres.SOURCE)

    @property
    def is_store(self) -> bool:
        return self.name == STORE

    @property
    def database(self) -> str:
        """The database's own name, by which profiles name sources."""
        parts = conninfo_to_dict(self._conninfo)
        return str(parts.get("dbname") or parts.get("user") or "")

    def connect(self, lock_seconds: float) -> Connection:
        """A session in which no lock is waited for longer. Raises StoreUnavailable, SourceUnavailable, UsageError…"""
        with self.translated():
            connection = postgres.connect(self._conninfo, application_name="extraction-agent indexes")
            try:
                connection.execute(sql.load(SQL, "session"))
                with suppress(psycopg.errors.InvalidParameterValue):  # a platform that cannot tell
                    connection.execute(sql.load(SQL, "check_interval"))
                bound_waits(connection, lock_seconds)
                postgres.refuse_pooler(connection, self._conninfo, self.where)
            except BaseException:
                connection.close()
                raise
        return connection

    def translated(self) -> AbstractContextManager[None]:
        return postgres.translated(self._side, self.where)

    def failed(self, sentence: str) -> errors.ExtractionError:
        """What happened there, as the error of its side."""
        return self._side[0](f"{self.where}: {sentence}")


def bound_waits(connection: Connection, seconds: float, *, local: bool = False) -> None:
    """Wait for no lock longer than this, in the session or (local) in its transaction."""
    values = {"milliseconds": str(round(seconds * 1000)), "local": local}
    connection.execute(sql.load(SQL, "lock_timeout"), values)
