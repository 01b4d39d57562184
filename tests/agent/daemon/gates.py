"""A source whose readers stand still in the middle of each chunk until a test lets them pass."""

from typing import LiteralString, Self

import psycopg

from daemons import until
from extraction_agent.model import Consistency, Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database

ROWS = 10_000
CHUNK_ROWS = 2_000
# The source turns the column to JSON by the cast, and the cast waits for the lock that the gate holds.
_PASS: LiteralString = """
CREATE FUNCTION pass(gate) RETURNS json LANGUAGE plpgsql SET lock_timeout = 0 AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN to_json('passed'::text); END $$
"""
_TABLE: LiteralString = """
CREATE TABLE item AS
    SELECT n AS id, 'name of ' || n AS name, CASE WHEN n % 2000 = 1000 THEN 'here'::gate END AS gate
    FROM generate_series(1, 10000) AS n
"""
_SOURCE: tuple[LiteralString, ...] = (
    "CREATE TYPE gate AS ENUM ('here')",
    _PASS,
    "CREATE CAST (gate AS json) WITH FUNCTION pass(gate)",
    _TABLE,
    "ALTER TABLE item ADD PRIMARY KEY (id)",
    "VACUUM ANALYZE item",
)
_GATED = Definition(table="item", chunk_rows=CHUNK_ROWS, consistency=Consistency.CHUNK)
_WAITING: LiteralString = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class Gate:
    """Closed while it is entered."""

    def __init__(self, source: Database, *, new: bool = True) -> None:
        """new: its table is not there yet."""
        self._source = source
        if new:
            source.run(*_SOURCE)

    def __enter__(self) -> Self:
        self._connection = psycopg.connect(self._source.url, autocommit=True)
        self._connection.execute("SELECT pg_advisory_lock(4711)")
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def open(self) -> None:
        self._connection.close()

    def wait_for(self, readers: int) -> None:
        """Until so many chunks are in flight and stand still."""
        until(lambda: len(self._source.rows(_WAITING)) >= readers, f"{readers} readers at the gate")

    def extraction(self, store: Database) -> int:
        """Put an extraction of the gated rows on the store's queue. Returns its id."""
        with Store(store.url) as opened:
            begun = start(opened, open_source(self._source.url), "gated", self._source.url, None, _GATED, Settings())
        assert begun.snapshot is None
        return begun.extraction_id


def chunks(store: Database, extraction_id: int = 1) -> dict[str, int]:
    """Number of chunks by state."""
    query: LiteralString = "SELECT state, count(*) FROM extraction_chunks WHERE extraction_id = %(id)s GROUP BY state"
    return dict(store.rows(query, {"id": extraction_id}))


def assert_exact(store: Database, extraction_id: int) -> None:
    """The extraction has succeeded with every row once."""
    until(
        lambda: store.value("SELECT status FROM extractions WHERE id = %(id)s", {"id": extraction_id}) == "succeeded",
        "success",
    )
    found = store.rows(
        "SELECT count(*), count(DISTINCT data->>'id'), sum((data->>'id')::int), "
        "count(*) FILTER (WHERE data->>'name' = 'name of ' || (data->>'id')) "
        "FROM extraction_data WHERE extraction_id = %(id)s",
        {"id": extraction_id},
    )
    assert found == [(ROWS, ROWS, ROWS * (ROWS + 1) // 2, ROWS)]
