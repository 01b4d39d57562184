"""A source table whose readers wait, in the middle of each chunk, until a test lets them pass."""

from typing import LiteralString, Self

import psycopg
from psycopg import sql as q

from agent.faults.harness import OURS, Bench, Kind, execute, rows, until

_KEY = 4711
# The source turns the column to JSON by the cast, and the cast waits for the lock that the gate holds.
_CAST: LiteralString = """
CREATE TYPE gate AS ENUM ('here');
CREATE FUNCTION pass(gate) RETURNS json LANGUAGE plpgsql SET lock_timeout = 0 AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN to_json('passed'::text); END $$;
CREATE CAST (gate AS json) WITH FUNCTION pass(gate)
"""
_TABLE: LiteralString = """
CREATE TABLE {table} AS
    SELECT id, name, amount, at, payload, CASE WHEN id % 2000 = 1000 THEN 'here'::gate END AS gate
    FROM keyed ORDER BY id
"""
GATED = Kind("json, gated", "gated", ("--format", "json"))
_WAITING: LiteralString = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class Gate:
    """Closed while it is entered. kind.table is made if it is not there."""

    def __init__(self, bench: Bench, kind: Kind = GATED, *, key: bool = True) -> None:
        self.url = bench.source.url()
        table = q.Identifier(kind.table)
        if not rows(self.url, "SELECT FROM pg_type WHERE typname = 'gate'"):
            execute(self.url, _CAST)
        if not rows(self.url, "SELECT FROM pg_tables WHERE tablename = %s", kind.table):
            execute(self.url, q.SQL(_TABLE).format(table=table))
            if key:
                execute(self.url, q.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(table))
            execute(self.url, q.SQL("ANALYZE {}").format(table))

    def __enter__(self) -> Self:
        self._connection = self._connect()
        self._connection.execute(q.SQL("SELECT pg_advisory_lock({})").format(q.Literal(_KEY)))
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def wait_for(self, readers: int) -> list[int]:
        """Wait until so many readers stand before the gate. Returns their backends."""
        with self._connect() as connection:
            until(lambda: len(connection.execute(_WAITING).fetchall()) == readers)
            return [pid for (pid,) in connection.execute(_WAITING)]

    def open(self) -> None:
        self._connection.close()

    def _connect(self) -> psycopg.Connection[tuple[int]]:
        """Under a name of ours: the guard of the source would begin slowly beside a stranger at work."""
        return psycopg.connect(self.url, autocommit=True, application_name=f"{OURS} test")
