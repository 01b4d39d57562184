"""Cutting a SQLite table into ranges of its primary key, by a walk along it; the file is at hand, so that is quick."""

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from extraction_agent import errors, sql
from extraction_agent.model import Chunk, Consistency, Definition, Plan
from extraction_agent.sources import overlap
from extraction_agent.sources import sqlite_catalog as catalog
from extraction_agent.sources.columns import chosen

_MOST_CHUNKS = 100_000


@dataclass(slots=True)
class Cut:
    """A plan and its chunks."""

    plan: Plan
    chunks: list[Chunk]
    notes: list[str] = field(default_factory=list)
    watermark: dict[str, Any] | None = None


def select(plan: Plan, chunk: Chunk, also: tuple[str, ...] = ()) -> str:
    """The SELECT of one chunk. also: further columns, after the plan's."""
    names = [catalog.identifier(column.name) for column in plan.columns]
    return sql.load(catalog.PACKAGE, "select").format(
        columns=", ".join([*names, *also]), relation=plan.relation, where=where(plan, chunk)
    )


def where(plan: Plan, chunk: Chunk) -> str:
    """The condition that picks a chunk's rows, or nothing. Bounds are literals that SQLite's quote() wrote."""
    key = ", ".join(catalog.identifier(column.name) for column in plan.key)
    parts = [
        f"({key}) {operator} ({', '.join(bound)})"
        for operator, bound in ((">", chunk.low), ("<=", chunk.high))
        if bound is not None
    ]
    parts += [f"({condition})" for condition in (plan.condition, chunk.condition) if condition is not None]
    return f" WHERE {' AND '.join(parts)}" if parts else ""


def explain(connection: sqlite3.Connection, plan: Plan, chunk: Chunk) -> str:
    """How SQLite will run a chunk."""
    return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {select(plan, chunk)}"))


def cut(connection: sqlite3.Connection, definition: Definition, chunk_rows: int, state: dict[str, Any] | None) -> Cut:
    """Choose the method and cut. Raises UsageError for what is asked but unsafe."""
    relation = catalog.find(connection, definition)
    all_columns = catalog.columns_of(connection, relation)
    columns = chosen(all_columns, definition, relation.label)
    key = catalog.key_of(connection, relation, all_columns, definition.key)
    plan = Plan(
        method="whole",
        relation=relation.sql,
        columns=columns,
        format=definition.format,
        consistency=Consistency.CHUNK,  # one chunk, being one statement, reads one moment too
        chunk_rows=chunk_rows,
        estimated_rows=0,
        reason="",
    )
    if key is None or definition.consistency is Consistency.SNAPSHOT:
        if definition.consistency is Consistency.SNAPSHOT:
            reason = "--consistency snapshot: one chunk, one statement, as connections to a file share no snapshot"
        elif relation.kind == "table":
            reason = "no primary key that VACUUM leaves alone: one chunk, one statement"
        else:
            reason = f"a {relation.kind} cannot be cut: one chunk, one statement"
        result = Cut(plan.model_copy(update={"reason": reason}), [Chunk()])
    else:
        result = _by_key(connection, plan, key)
    if definition.watermark is not None:
        _incremental(connection, definition, result, state)
    return result


def _by_key(connection: sqlite3.Connection, plan: Plan, key: catalog.Key) -> Cut:
    names = [catalog.identifier(column.name) for column in key.columns]
    plan = plan.model_copy(update={"method": "key", "key": key.columns})
    bounds: list[tuple[str, ...]] = []
    while len(bounds) < _MOST_CHUNKS:
        statement = sql.load(catalog.PACKAGE, "next_bound").format(
            texts=", ".join(f"quote({name})" for name in names),
            relation=plan.relation,
            where=where(plan, Chunk(low=bounds[-1] if bounds else None)),
            key=", ".join(names),
            offset=plan.chunk_rows - 1,
        )
        found = connection.execute(statement).fetchone()
        if found is None:
            break
        _refuse_broken(plan, found)
        bounds.append(found)
    edges = [None, *bounds, None]
    chunks = [Chunk(low=low, high=high) for low, high in pairwise(edges)]
    why = "primary key" if key.primary else "unique key"
    changes = {
        "reason": f"ranges of the {why} {', '.join(column.name for column in key.columns)}, cut by a walk along it",
        "estimated_rows": len(chunks) * plan.chunk_rows,
    }
    return Cut(plan.model_copy(update=changes), chunks)


def _refuse_broken(plan: Plan, bound: tuple[str, ...]) -> None:
    """Raise SourceError for a bound that no statement could hold."""
    for column, text in zip(plan.key, bound, strict=True):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise errors.SourceError(
                f"{plan.relation}: column {column.name} holds a text that is not valid UTF-8. Correct the row, or "
                "leave the column out with --exclude and read all by one statement with --consistency snapshot."
            ) from error


def _incremental(
    connection: sqlite3.Connection, definition: Definition, result: Cut, state: dict[str, Any] | None
) -> None:
    """Restrict a cut to what may be new, by overlap."""
    name = definition.watermark
    assert name is not None
    quoted = catalog.identifier(name)
    statement = sql.load(catalog.PACKAGE, "sqlite_extremes").format(column=quoted, relation=result.plan.relation)
    least, greatest, *kinds = connection.execute(statement).fetchone()
    previous = overlap.previous_start(state)
    if greatest is None:
        horizon, literal = overlap.Horizon(None, previous), catalog.literal
    elif kinds[0] in ("integer", "real") and kinds[1] in ("integer", "real"):
        horizon, literal = _number(greatest, definition.overlap_seconds, previous), _plain
    elif kinds == ["text", "text"]:
        horizon, literal = _time(name, least, greatest, definition.overlap_seconds, previous), catalog.literal
    else:
        raise errors.UsageError(
            f"The watermark {name} holds {' and '.join(sorted(set(kinds)))} values; "
            "it must hold numbers, or dates and times written alike (YYYY-MM-DD HH:MM:SS)."
        )
    result.plan, result.chunks, result.watermark = overlap.apply(
        result.plan, result.chunks, name, quoted, literal, horizon, state, shared=False
    )
    reason = "SQLite does not tell which rows have just become visible"
    result.notes.append(overlap.note(reason, definition.overlap_seconds, "s" if kinds[1] == "text" else ""))


def _plain(value: str) -> str:
    float(value)  # a number and nothing else
    return value


def _number(greatest: float, seconds: float, previous: str | None) -> overlap.Horizon:
    start = greatest - (int(seconds) if float(seconds).is_integer() else seconds)
    if previous is not None and float(previous) > start:
        return overlap.Horizon(repr(greatest), previous)
    return overlap.Horizon(repr(greatest), repr(start))


def _time(name: str, least: str, greatest: str, seconds: float, previous: str | None) -> overlap.Horizon:
    """Times compare as texts, so all must be written alike: the least and the greatest show whether they are."""
    unlike = errors.UsageError(
        f"The watermark {name} holds {least!r} and {greatest!r}; it must hold dates and times written alike "
        "(YYYY-MM-DD HH:MM:SS), or numbers."
    )
    try:
        first, last = datetime.fromisoformat(least), datetime.fromisoformat(greatest)
    except ValueError:
        raise unlike from None
    if first.tzinfo != last.tzinfo or least[10:11] != greatest[10:11]:
        raise unlike
    now = datetime.now(last.tzinfo or UTC).replace(tzinfo=last.tzinfo)
    high = min(last, now)
    start = _written(high - timedelta(seconds=seconds), greatest)
    return overlap.Horizon(_written(high, greatest), max(start, previous or start))


def _written(moment: datetime, like: str) -> str:
    """A time in the form of another, cut to whole seconds: earlier, never later."""
    if len(like) <= len("YYYY-MM-DD"):
        return moment.date().isoformat()
    return moment.replace(tzinfo=None, microsecond=0).isoformat(sep=like[10])
