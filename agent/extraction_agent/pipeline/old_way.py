"""The old service's way, kept so that every gain can be measured against it: not slowed, not mended.

Pages by LIMIT and OFFSET, each row made JSON in Python, one INSERT and one commit a row through a pool, one thread.
Its records become visible one by one, and no digest proves them. A second attempt deletes what the first has left.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

from psycopg import sql as q
from psycopg_pool import ConnectionPool

from extraction_agent import deadlines, errors, postgres, sql
from extraction_agent.model import Chunk, Manifest, Plan, Status
from extraction_agent.observe import metrics
from extraction_agent.observe.throughput import of_this_agent
from extraction_agent.profiles import Settings
from extraction_agent.sources import postgresql
from extraction_agent.sources.postgresql_statements import where
from extraction_agent.sources.protocol import Source
from extraction_agent.store.store import Extraction, Store
from extraction_agent.waiting import Stop, ended_by

_SOURCE_QUERIES = "extraction_agent.sources.sql"
_QUERIES = "extraction_agent.store.queries"

Row = tuple[Any, ...]


def copy_chunk(
    extraction: Extraction, chunk_no: int, source: Source, store: Store, agent: str, stop: Stop
) -> Manifest | None:
    """Copy the one chunk there is. Returns None if it was done already or its extraction is over.

    Raises what `commit.copy_chunk` raises; on an error some of the rows are in the store.
    """
    claimed = store.claim(extraction.id, chunk_no, agent)
    if claimed is None:
        return None
    attempt, _chunk = claimed
    assert isinstance(source, postgresql.Source)  # start() refuses others
    settings = Settings.recorded(extraction.settings, f"The settings of extraction {extraction.id}")
    insert = sql.load(_QUERIES, "insert_row")
    rows = size = 0
    looked = time.monotonic()
    with of_this_agent.chunk() as moved, ended_by(stop), postgres.translated(postgres.STORE, store.where):
        if attempt > 1:
            _forget(store.connection, extraction)
        with _pool(store, settings) as pool:
            for row in _rows(source, extraction.plan, settings.reading.page_rows, stop):
                data = json.dumps(row, default=str, ensure_ascii=False)
                values = {"extraction_id": extraction.id, "data": data, "chunk_no": chunk_no}
                with pool.connection() as connection:
                    connection.execute(insert, values)
                    if time.monotonic() - looked > deadlines.CANCEL / 2:
                        looked = time.monotonic()
                        if _is_over(connection, extraction):
                            return None
                rows += 1
                size += len(data)
                moved(1)
                metrics.RECORDS.inc()
                metrics.BYTES.inc(len(data))
    manifest = Manifest(rows=rows, hash=0, digests=None, window=None, bytes=size)
    with store.transaction():
        if not store.fence(extraction.id, chunk_no, attempt, manifest) or not store.finish(extraction.id):
            raise errors.Fenced(f"Extraction {extraction.id} was taken over by another attempt or has ended.")
    return manifest


def _is_over(connection: postgres.Connection, extraction: Extraction) -> bool:
    """Whether somebody has ended the extraction meanwhile. Nothing stays of one that was cancelled, or pruned."""
    row = connection.execute(sql.load(_QUERIES, "status"), {"extraction_id": extraction.id}).fetchone()
    if row is None or row[0] == Status.CANCELLED:
        _forget(connection, extraction)
    return row is None or row[0] != Status.RUNNING


def _forget(connection: postgres.Connection, extraction: Extraction) -> None:
    """Delete what has been committed of it so far."""
    statement = q.SQL(sql.load(_QUERIES, "delete_rows")).format(
        table=sql.trusted(extraction.target), extraction=q.Identifier(extraction.plan.format.extraction_column)
    )
    with connection.within(deadlines.INDEX):
        connection.execute(statement, {"extraction_ids": [extraction.id]})


def _pool(store: Store, settings: Settings) -> ConnectionPool[postgres.Connection]:
    return ConnectionPool(
        store.conninfo,
        connection_class=postgres.Connection,
        kwargs={"application_name": "extraction-agent old way", **postgres.NETWORK},
        min_size=1,
        max_size=settings.pool.maximum,
        timeout=deadlines.CONNECT,
        open=True,
    )


def _rows(source: postgresql.Source, plan: Plan, page_rows: int, stop: Stop) -> Iterator[dict[str, Any]]:
    """The relation's rows as Python values, page by page."""
    connection = source.connect()
    names = [column.name for column in plan.columns]
    try:
        order = _order(source, connection, plan)
        offset = 0
        while True:
            page = _page(source, connection, plan, order, page_rows, offset)
            for row in page:
                stop.check()
                yield dict(zip(names, row, strict=True))
            if len(page) < page_rows:
                return
            offset += page_rows
    finally:
        connection.close()


def _order(source: postgresql.Source, connection: postgres.Connection, plan: Plan) -> q.Composable:
    """By the primary key; without one in whatever order the server likes."""
    if plan.relation.startswith("("):
        return q.SQL("")
    with postgres.translated(postgres.SOURCE, source.where):
        found = connection.execute(
            sql.load(_SOURCE_QUERIES, "postgresql_primary_key"), {"relation": plan.relation}
        ).fetchall()
    return (
        q.SQL(" ORDER BY {}").format(q.SQL(", ").join(q.Identifier(name) for (name,) in found)) if found else q.SQL("")
    )


def _page(
    source: postgresql.Source,
    connection: postgres.Connection,
    plan: Plan,
    order: q.Composable,
    rows: int,
    offset: int,
) -> list[Row]:
    statement = q.SQL(sql.load(_SOURCE_QUERIES, "postgresql_page")).format(
        columns=q.SQL(", ").join(q.Identifier(column.name) for column in plan.columns),
        relation=sql.trusted(plan.relation),
        where=where(plan, Chunk()),
        order=order,
        rows=q.Literal(rows),
        offset=q.Literal(offset),
    )
    with postgres.translated(postgres.SOURCE, source.where), connection.within(deadlines.PLAN):
        return connection.execute(statement).fetchall()
