"""Cutting a PostgreSQL relation into chunks, without ever counting it.

A key is cut at quantiles of a sample of whole pages; the first and last ranges are open, so a row that appears
later still belongs to exactly one. Without a key, or where `ctid` is asked for as the key, ranges of blocks, under one
snapshot only: an UPDATE moves a row to another block, and chunks that each see a snapshot of their own would miss it or
take it twice.
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
from extraction_agent.sources.postgresql_parts import leaves
from extraction_agent.sources.postgresql_statements import select, where

PAGES_PER_CHUNK = 64  # of the sample: neighbours resemble each other, so pages count, not rows
ROWS_PER_CHUNK = 1024  # of those on these pages; the share of rows in a chunk varies by sqrt(1/64 + 1/1024) = 13 %
_MOST_SAMPLED_PAGES = 20_000
_MOST_CHUNKS = 100_000
_WHOLE_UP_TO = 1.5  # × chunk_rows: below, one chunk does
_IN_ORDER = 0.5  # correlation of the key with the place of the rows, below which a range lies all over the table


@dataclass(frozen=True, slots=True)
class Cut:
    """A plan and its chunks."""

    plan: Plan
    chunks: list[Chunk]
    notes: list[str]


def cut(
    connection: Connection,
    definition: Definition,
    relation: catalog.Relation,
    chunk_rows: int,
    condition: str | None = None,
) -> Cut:
    """Choose the method and cut what fulfils the condition. Raises UsageError for what is asked but unsafe."""
    blocks = definition.key == catalog.BLOCKS and relation.has_blocks
    if blocks:
        if definition.watermark:
            raise errors.UsageError(
                "--key ctid reads a whole table, --watermark what has changed: leave one of them out."
            )
        definition = definition.model_copy(update={"key": ()})
    only = catalog.asked_for(relation, definition)
    all_columns = catalog.columns_of(connection, relation.sql, only)
    asked = definition.model_copy(update={"exclude": ()}) if only else definition  # what is left out is not described
    columns = chosen(all_columns, asked, relation.label, hidden="xmin")
    if definition.columns and only:
        columns = tuple(column for column in columns if column.name in definition.columns)
    key = catalog.key_of(connection, relation, all_columns, definition.key)
    plan = Plan(
        method="whole",
        relation=relation.sql.as_string(connection),
        oid=relation.oid,
        columns=columns,
        format=definition.format,
        consistency=definition.consistency or Consistency.CHUNK,
        chunk_rows=chunk_rows,
        condition=condition,
        estimated_rows=0,
        reason="",
    )
    explained = explain(connection, plan, Chunk())
    plan = plan.model_copy(update={"estimated_rows": max(0, int(explained["Plan Rows"]))})
    if definition.consistency is Consistency.CHUNK and key is not None and not key.proven:
        raise errors.UsageError(
            f"--consistency chunk needs a key that a unique index on NOT NULL columns vouches for; "
            f"{_names(key.columns)} of {relation.label} has none. Use --consistency snapshot."
        )
    if _reads_foreign(explained):
        return _whole(plan, "it reads a foreign table, whose server knows nothing of a snapshot here")
    if definition.key and key is not None and not key.proven:
        return _by_checked_key(connection, plan, relation, key)
    if plan.estimated_rows <= chunk_rows * _WHOLE_UP_TO:
        return _whole(plan, f"{plan.estimated_rows:,} rows estimated")
    if not relation.has_blocks:
        return _whole(plan, f"a {relation.kind} without --key cannot be cut")
    if key is not None and not blocks:
        return _by_key(connection, plan, definition, relation, key)
    return _by_block(connection, plan, definition, relation, asked=blocks)


def _whole(plan: Plan, why: str) -> Cut:
    return Cut(plan.model_copy(update={"reason": f"{why}: one chunk, one statement"}), [Chunk()], [])


def _reads_foreign(node: dict[str, Any]) -> bool:
    """Whether a plan fetches rows from another server: each statement there sees a moment of its own."""
    return node["Node Type"] == "Foreign Scan" or any(map(_reads_foreign, node.get("Plans", [])))


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
    expected = math.ceil(plan.estimated_rows / plan.chunk_rows)
    parts = leaves(connection, relation)
    blocks = sum(part.blocks for part in parts) or 1
    # How many pages hold rows that fulfil a condition is not known: look at as many as may be looked at.
    pages = expected * PAGES_PER_CHUNK if plan.condition is None else _MOST_SAMPLED_PAGES
    percent = round(min(100.0, 100.0 * min(pages, _MOST_SAMPLED_PAGES) / blocks), 9)
    share, of_rows = percent / 100, where(plan, Chunk())
    if plan.condition is None:  # or there may be few rows as it is
        kept = min(1.0, ROWS_PER_CHUNK * expected / (plan.estimated_rows * share))
        share, of_rows = share * kept, q.SQL(" WHERE random() < {}").format(q.Literal(kept))
    rows = connection.execute(
        q.SQL(sql.load(catalog.PACKAGE, "postgresql_sample")).format(
            **_key_sql(key.columns),
            relation=relation.sql,
            percent=percent,
            where=of_rows,
            step=max(1, round(max(plan.chunk_rows, plan.estimated_rows / _MOST_CHUNKS) * share)),
        )
    ).fetchall()
    sampled = rows[0][-1] if rows else 0
    why = "primary key" if key.primary else "unique key"
    changes = {
        "method": "key", "key": key.columns, "consistency": consistency,
        "restart_on_lost_snapshot": not key.primary,  # an UPDATE may move a row from a range read to one that is not
        "estimated_rows": round(sampled / share),
        "reason": f"ranges of the {why} {_names(key.columns)}, cut at quantiles of a sample of {sampled:,} rows",
    }  # fmt: skip
    could_be_blocks = not definition.watermark and definition.consistency is not Consistency.CHUNK
    could_be_blocks &= all(part.readable for part in parts)
    notes = _scattered(connection, relation, key) if could_be_blocks else []
    if consistency is Consistency.CHUNK and not key.primary:
        notes.append(
            f"{_names(key.columns)} is no primary key: a row whose value is updated while the extraction runs may be "
            "missed or come twice. --consistency snapshot has no such gap."
        )
    return Cut(plan.model_copy(update=changes), _ranges([row[:-1] for row in rows[:-1]]), notes)


def _scattered(connection: Connection, relation: catalog.Relation, key: catalog.Key) -> list[str]:
    """A word on a key, a UUID say, in whose order the rows do not lie: every chunk reads pages of the whole table."""
    facts = {"relation": relation.oid, "column": key.columns[0].name}
    row = connection.execute(sql.load(catalog.PACKAGE, "postgresql_order"), facts).fetchone()
    if row is None or abs(row[0]) >= _IN_ORDER:
        return []
    note = (
        f"The rows do not lie in the order of {_names(key.columns)} (correlation {row[0]:.2f}), so each chunk fetches "
        "its rows from all over the table. --key ctid reads it from front to back, which may spare the source half "
        "of the work, under one snapshot."
    )
    return [note]


def _by_checked_key(connection: Connection, plan: Plan, relation: catalog.Relation, key: catalog.Key) -> Cut:
    rows = connection.execute(
        q.SQL(sql.load(catalog.PACKAGE, "postgresql_scan")).format(
            **_key_sql(key.columns), relation=relation.sql, where=where(plan, Chunk()), step=plan.chunk_rows
        )
    ).fetchall()
    names = _names(key.columns)
    total, nulls, repeats = rows[-1][-3:] if rows else (0, 0, 0)
    if nulls:
        raise errors.UsageError(
            f"The key {names} of {relation.label} is NULL in {nulls:,} rows: give another key, or none."
        )
    if repeats > 1:
        raise errors.UsageError(
            f"The key {names} of {relation.label} is not unique (one value stands {repeats:,} times): "
            "give another key, or none."
        )
    reason = f"ranges of {names}, which a full reading found to be unique and without NULL"
    notes = [f"No unique index vouches for {names}: the relation was read once to check it."]
    changes = {
        "method": "key", "key": key.columns, "consistency": Consistency.SNAPSHOT, "reason": reason,
        "restart_on_lost_snapshot": True, "estimated_rows": total,
    }  # fmt: skip
    return Cut(plan.model_copy(update=changes), _ranges([row[:-3] for row in rows[:-1]]), notes)


def _by_block(
    connection: Connection, plan: Plan, definition: Definition, relation: catalog.Relation, *, asked: bool
) -> Cut:
    why = "as asked" if asked else "no usable key"
    if definition.consistency is Consistency.CHUNK:
        raise errors.UsageError(
            f"The chunks of {relation.label} are ranges of blocks ({why}), and those need one snapshot: use "
            "--consistency snapshot, or give --key with the columns of a key."
        )
    parts = leaves(connection, relation)
    if not all(part.readable for part in parts):
        if asked:
            raise errors.UsageError(
                f"The blocks of {relation.label} cannot be read, as not every part of it may be read by itself: grant "
                "SELECT on all of them, or leave --key ctid out."
            )
        return _whole(plan, f"{why}, and not every part of it may be read by itself")
    blocks = sum(part.blocks for part in parts)
    step = max(1, round(blocks * plan.chunk_rows / max(plan.estimated_rows, 1)), blocks // _MOST_CHUNKS)
    chunks = [
        Chunk(
            low=(str(low),) if low else None,
            high=(str(low + step),) if low + step < part.blocks else None,
            part=part.name,
        )
        for part in parts
        for low in range(0, max(part.blocks, 1), step)
    ]
    changes = {
        "method": "ctid", "consistency": Consistency.SNAPSHOT, "restart_on_lost_snapshot": True,
        "reason": f"{why}: ranges of {step:,} blocks, all under one snapshot",
    }  # fmt: skip
    return Cut(plan.model_copy(update=changes), chunks, [])


def _key_sql(columns: tuple[Column, ...]) -> dict[str, q.Composable]:
    names = [q.Identifier(column.name) for column in columns]
    ours = [q.Identifier(f"k{number}") for number in range(len(columns))]  # a key may be called like our columns
    return {
        "key": q.SQL(", ").join(names),
        "texts": q.SQL(", ").join(q.SQL("{}::text AS {}").format(*pair) for pair in zip(names, ours, strict=True)),
        "names": q.SQL(", ").join(ours),
    }


def _ranges(bounds: list[tuple[str, ...]]) -> list[Chunk]:
    """Ranges between distinct bounds, the outer two open."""
    distinct = list(dict.fromkeys(bounds))
    edges: list[tuple[str, ...] | None] = [None, *distinct, None]
    return [Chunk(low=low, high=high) for low, high in itertools.pairwise(edges)]


def _names(columns: tuple[Column, ...]) -> str:
    return ", ".join(column.name for column in columns)
