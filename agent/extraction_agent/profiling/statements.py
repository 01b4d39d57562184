"""What a database's statements took while an extraction ran, and the server's plan for a chunk's query."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql as q

from extraction_agent import postgres, sql
from extraction_agent.model import Chunk, Plan
from extraction_agent.profiling.evidence import Statement
from extraction_agent.profiling.sessions import PACKAGE
from extraction_agent.sources.postgresql_statements import select

MOST = 10  # statements that are told
_LONGEST = 200  # characters of one
_OBSERVE = "extraction_agent.observe.sql"

Totals = dict[str, tuple[float, ...]]  # calls, seconds, rows, blocks by a statement's shape


def shape(text: str) -> str:
    """A statement in one line without its values, which are data, and which make two of what is one."""
    plain = re.sub(r"(?<![\w.$\"])\d+(?:\.\d+)?", "…", _without_texts(text))
    plain = re.sub(r'"?extraction_parts"?\."?e\d+"?', "extraction_parts.…", plain)
    plain = " ".join(plain.split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def totals(connection: postgres.Connection) -> Totals | None:
    """So far, of this database. None: pg_stat_statements is not there, not loaded or not for this role."""
    present = connection.execute(sql.load(_OBSERVE, "has_statements")).fetchone()
    if present is None:
        return None
    query = q.SQL(sql.load(PACKAGE, "statements")).format(view=q.Identifier(present[0], "pg_stat_statements"))
    try:
        rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
    except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InsufficientPrivilege):
        return None
    found: defaultdict[str, tuple[float, ...]] = defaultdict(lambda: (0.0, 0.0, 0.0, 0.0))
    for text, *figures in rows:
        found[shape(text)] = tuple(a + b for a, b in zip(found[shape(text)], figures, strict=True))
    return dict(found)


def between(before: Totals, after: Totals) -> tuple[Statement, ...]:
    """What was added, the costliest first."""
    added = []
    for text, figures in after.items():
        calls, seconds, rows, blocks = (
            now - then for now, then in zip(figures, before.get(text, (0.0,) * len(figures)), strict=True)
        )
        if calls > 0:
            added.append(Statement(text, round(calls), seconds, round(rows), round(blocks)))
    return tuple(sorted(added, key=lambda one: -one.seconds)[:MOST])


@dataclass(frozen=True, slots=True)
class Explained:
    """A plan, or why there is none."""

    plan: str | None
    note: str | None = None


def explain(connection: postgres.Connection, plan: Plan, chunk: Chunk) -> Explained:
    """The plan of one chunk's query; with what it really took where running it does no harm.

    It is run for tables only: a view or a query may call functions that do more than read. In a transaction that may
    not write, and not for longer than the session's statement_timeout.
    """
    query = select(plan, chunk)
    try:
        is_table = connection.execute(sql.load(PACKAGE, "is_table"), {"relation": plan.relation}).fetchone()
    except psycopg.Error:  # a query is no name
        is_table = None
    if is_table is not None:
        try:
            return Explained(_explain(connection, q.SQL("ANALYZE, BUFFERS, "), query))
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
            note = f"a chunk's query was explained without running it: {postgres.describe(error)}"
    else:
        note = "a chunk's query was explained without running it, since it does not read a table"
    try:
        return Explained(_explain(connection, q.SQL("VERBOSE, "), query), note)  # with the functions it calls
    except psycopg.Error as error:
        return Explained(None, f"a chunk's query could not be explained: {postgres.describe(error)}")


def _explain(connection: postgres.Connection, options: q.Composable, query: q.Composable) -> str:
    rows = connection.execute(q.SQL("EXPLAIN ({}FORMAT TEXT) {}").format(options, query)).fetchall()
    return _without_texts("\n".join(row[0] for row in rows))


def _without_texts(text: str) -> str:
    return re.sub(r"(?s)E?'(?:[^']|'')*'", "'…'", text)
