"""Cutting a PostgreSQL relation into chunks, without ever counting it.

A key is cut at quantiles of a sample of whole pages; the first and last ranges are open, so a row that appears
later still belongs to exactly one. Without a key, ranges of blocks (ctid), under one snapshot only: an UPDATE moves
a row to another block, and chunks that each see a snapshot of their own would miss it or take it twice.
"""

import itertools
import json
import math
from dataclasses import dataclass
from typing import Any

from psycopg import sql as q

from extraction_agent import errors, sql
from extraction_agent.model import Chunk, Column, Consistency, Definition, Plan
from extraction_agent.postgres import Connection
from extraction_agent.sources import postgresql_catalog as catalog
from extraction_agent.sources.columns import chosen
from extraction_agent.sources.postgresql_statements import select

PAGES_PER_CHUNK = 64  # of the sample; the share of rows in a chunk then varies by some 1/sqrt(64) = 12 %
_MOST_SAMPLED_PAGES = 20_000
_MOST_CHUNKS = 100_000
_WHOLE_UP_TO = 1.5  # × chunk_rows: below, one chunk does


@dataclass(frozen=True, slots=True)
class Cut:
    """A plan and its chunks."""

    plan: Plan
    chunks: list[Chunk]
    notes: list[str]


def cut(connection: Connection, definition: Definition, relation: catalog.Relation, chunk_rows: int) -> Cut:
    """Choose the method and cut. Raises UsageError for what is asked but unsafe."""
    all_columns = catalog.columns_of(connection, relation.sql)
    columns = chosen(all_columns, definition, relation.label)
    key = catalog.key_of(connection, relation, all_columns, definition.key)
    plan = Plan(
        method="whole",
        relation=relation.sql.as_string(connection),
        columns=columns,
        format=definition.format,
        consistency=definition.consistency or Consistency.CHUNK,
        chunk_rows=chunk_rows,
        estimated_rows=0,
        reason="",
    )
    plan = plan.model_copy(update={"estimated_rows": estimate(connection, plan)})
    if definition.consistency is Consistency.CHUNK and key is not None and not key.proven:
        raise errors.UsageError(
            f"--consistency chunk needs a key that a unique index on NOT NULL columns vouches for; "
            f"{_names(key.columns)} of {relation.label} has none. Use --consistency snapshot."
        )
    if definition.key and key is not None and not key.proven:
        return _by_checked_key(connection, plan, relation, key)
    if plan.estimated_rows <= chunk_rows * _WHOLE_UP_TO:
        reason = f"{plan.estimated_rows:,} rows estimated: one chunk, one statement"
        return Cut(plan.model_copy(update={"reason": reason}), [Chunk()], [])
    if not relation.has_blocks:
        reason = f"a {relation.kind} without --key cannot be cut: one chunk, one statement"
        return Cut(plan.model_copy(update={"reason": reason}), [Chunk()], [])
    if key is not None:
        return _by_key(connection, plan, definition, relation, key)
    return _by_block(connection, plan, definition, relation)


def estimate(connection: Connection, plan: Plan) -> int:
    """Rows the server's planner expects of the whole relation."""
    explained = explain(connection, plan, Chunk())
    return max(0, int(explained["Plan Rows"]))


def explain(connection: Connection, plan: Plan, chunk: Chunk) -> dict[str, Any]:
    """The server's plan for one chunk."""
    statement = q.SQL("EXPLAIN (FORMAT JSON) {}").format(select(plan, chunk))
    row = connection.execute(statement).fetchone()
    assert row is not None
    parsed = row[0] if isinstance(row[0], list) else json.loads(row[0])
    plan_node: dict[str, Any] = parsed[0]["Plan"]
    return plan_node


def _by_key(
    connection: Connection, plan: Plan, definition: Definition, relation: catalog.Relation, key: catalog.Key
) -> Cut:
    consistency = definition.consistency or (Consistency.CHUNK if key.primary else Consistency.SNAPSHOT)
    bounds = _sample(connection, plan, relation, key)
    why = "primary key" if key.primary else "unique key"
    reason = f"ranges of the {why} {_names(key.columns)}, cut at quantiles of a sample"
    changes = {"method": "key", "key": key.columns, "consistency": consistency, "reason": reason}
    return Cut(plan.model_copy(update=changes), _ranges(bounds), [])


def _sample(connection: Connection, plan: Plan, relation: catalog.Relation, key: catalog.Key) -> list[tuple[str, ...]]:
    chunks = min(math.ceil(plan.estimated_rows / plan.chunk_rows), _MOST_CHUNKS)
    blocks = sum(leaf[1] for leaf in _leaves(connection, relation)) or 1
    pages = min(chunks * PAGES_PER_CHUNK, _MOST_SAMPLED_PAGES)
    for percent in (min(100.0, 100.0 * pages / blocks), 100.0):
        rows = connection.execute(
            q.SQL(sql.load(catalog.PACKAGE, "postgresql_sample")).format(
                **_key_sql(key.columns), chunks=chunks, relation=relation.sql, percent=round(percent, 6)
            )
        ).fetchall()
        if len(rows) >= chunks:
            break
    return [tuple(row) for row in rows[:-1]]


def _by_checked_key(connection: Connection, plan: Plan, relation: catalog.Relation, key: catalog.Key) -> Cut:
    rows = connection.execute(
        q.SQL(sql.load(catalog.PACKAGE, "postgresql_scan")).format(
            **_key_sql(key.columns), chunk_rows=plan.chunk_rows, relation=relation.sql
        )
    ).fetchall()
    names = _names(key.columns)
    if rows and rows[0][-2]:
        raise errors.UsageError(
            f"The key {names} of {relation.label} is NULL in {rows[0][-2]:,} rows: give another key, or none."
        )
    if rows and rows[0][-1]:
        raise errors.UsageError(
            f"The key {names} of {relation.label} is not unique (one value stands {rows[0][-1] + 1:,} times): "
            "give another key, or none."
        )
    reason = f"ranges of {names}, which a full reading found to be unique and without NULL"
    notes = [f"No unique index vouches for {names}: the relation was read once to check it."]
    changes = {
        "method": "key", "key": key.columns, "consistency": Consistency.SNAPSHOT, "reason": reason,
        "restart_on_lost_snapshot": True,
    }  # fmt: skip
    return Cut(plan.model_copy(update=changes), _ranges([tuple(row[:-2]) for row in rows[:-1]]), notes)


def _by_block(connection: Connection, plan: Plan, definition: Definition, relation: catalog.Relation) -> Cut:
    if definition.consistency is Consistency.CHUNK:
        raise errors.UsageError(
            f"{relation.label} has no primary key and no unique key without NULLs, so its chunks are ranges of blocks, "
            "and those need one snapshot: use --consistency snapshot, or give --key."
        )
    leaves = _leaves(connection, relation)
    if not all(readable for _name, _blocks, readable in leaves):
        reason = "no key, and no privilege on every partition by itself: one chunk, one statement"
        return Cut(plan.model_copy(update={"reason": reason}), [Chunk()], [])
    blocks = sum(size for _name, size, _readable in leaves)
    step = max(1, round(blocks * plan.chunk_rows / max(plan.estimated_rows, 1)))
    chunks = [
        Chunk(
            low=(str(low),) if low else None,
            high=(str(low + step),) if low + step < size else None,
            part=name,
        )
        for name, size, _readable in leaves
        for low in range(0, max(size, 1), step)
    ]
    changes = {
        "method": "ctid", "consistency": Consistency.SNAPSHOT, "restart_on_lost_snapshot": True,
        "reason": f"no usable key: ranges of {step:,} blocks, all under one snapshot",
    }  # fmt: skip
    return Cut(plan.model_copy(update=changes), chunks, [])


def _leaves(connection: Connection, relation: catalog.Relation) -> list[tuple[str, int, bool]]:
    return [
        (name, blocks, readable)
        for name, blocks, readable in connection.execute(
            sql.load(catalog.PACKAGE, "postgresql_leaves"), {"relation": relation.oid}
        )
    ]


def _key_sql(columns: tuple[Column, ...]) -> dict[str, q.Composable]:
    names = [q.Identifier(column.name) for column in columns]
    return {
        "key": q.SQL(", ").join(names),
        "texts": q.SQL(", ").join(q.SQL("{}::text").format(name) for name in names),
        "descending": q.SQL(", ").join(q.SQL("{} DESC").format(name) for name in names),
    }


def _ranges(bounds: list[tuple[str, ...]]) -> list[Chunk]:
    """Ranges between distinct bounds, the outer two open."""
    distinct = list(dict.fromkeys(bounds))
    edges: list[tuple[str, ...] | None] = [None, *distinct, None]
    return [Chunk(low=low, high=high) for low, high in itertools.pairwise(edges)]


def _names(columns: tuple[Column, ...]) -> str:
    return ", ".join(column.name for column in columns)
