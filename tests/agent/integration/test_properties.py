"""Drawn tables and values: whatever they are, the rows that arrive equal the source's, in both formats."""

import datetime
import itertools
import json
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql as q

from comparison import assert_same
from extraction_agent.model import Definition, Format
from support import Database, extract

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
MOMENTS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)).map(str)
FAR = st.sampled_from(["infinity", "-infinity", "0001-02-29 BC", "4714-11-24 BC", "0400-03-01", "99999-12-31"])
# Each type with a strategy for its values as text; None: it cannot be a key.
TYPES: dict[str, tuple[st.SearchStrategy[str], bool]] = {
    "bigint": (st.integers(-(2**63), 2**63 - 1).map(str), True),
    "smallint": (st.integers(-(2**15), 2**15 - 1).map(str), True),
    "boolean": (st.booleans().map(str), False),
    "text": (TEXT, True),
    'text COLLATE "C"': (TEXT, True),
    "character(12)": (st.text("ab \u00e9", max_size=12), True),
    "bytea": (st.binary(max_size=20).map(lambda value: f"\\x{value.hex()}"), True),
    "double precision": (st.floats().map(str), True),
    "real": (st.floats(width=32).map(str), True),
    "numeric": (
        st.decimals(allow_nan=False, allow_infinity=False).map(str)
        | st.decimals(-(10**9), 10**9, places=6).map(str)
        | st.sampled_from(["NaN", "Infinity", "-Infinity", "10000", "0.00010000", "-1e4000", "1e-4000", "0.000"]),
        True,
    ),
    "uuid": (st.uuids().map(str), True),
    "date": (st.dates().map(str) | FAR, True),
    "timestamp": (MOMENTS | FAR, True),
    "timestamp with time zone": (MOMENTS.map(lambda value: f"{value}+00") | FAR, True),
    "interval": (st.integers(-(10**12), 10**12).map(lambda value: f"{value} milliseconds"), True),
    "inet": (st.ip_addresses().map(str), True),
    "json": (st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists, max_leaves=5).map(
        json.dumps), False),
    "jsonb": (TEXT.map(lambda value: json.dumps({value: [1.50, None, value]})), False),
    "character varying(40)": (TEXT, True),
    "integer[]": (st.lists(st.integers(-9, 9) | st.none(), max_size=4).map(
        lambda values: "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"), True),
    "int4range": (st.tuples(st.integers(-99, 99), st.integers(0, 9)).map(
        lambda pair: f"[{pair[0]},{pair[0] + pair[1]})"), True),
    "mood": (st.sampled_from(["ok", "so so", "tr\u00e8s"]), True),
    "positive": (st.integers(1, 2**31 - 1).map(str), True),
}  # fmt: skip
NAMES = st.sampled_from(["id", "record", "k0", "place", "total", "data", "chunk_no", "user", "query"]) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15
)


@dataclass(frozen=True)
class Table:
    """A drawn table. key: how many of its first columns are its primary key."""

    name: str
    columns: list[tuple[str, str]]
    key: int
    rows: list[list[str | None]]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    types = draw(st.lists(st.sampled_from(list(TYPES)), min_size=len(names), max_size=len(names)))
    keyable = len(list(itertools.takewhile(lambda type_: TYPES[type_][1], types)))
    key = draw(st.integers(0, min(keyable, 3)))
    values = [TYPES[type_][0] if number < key else st.none() | TYPES[type_][0] for number, type_ in enumerate(types)]
    rows = draw(st.lists(st.tuples(*values).map(list), max_size=25))
    return Table(draw(NAMES), list(zip(names, types, strict=True)), key, rows)


def make(database: Database, table: Table) -> None:
    """Make the table and put its rows in; those that repeat a key are left out."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        parts = [q.SQL("{} {}").format(q.Identifier(name), trusted(type_)) for name, type_ in table.columns]
        if table.key:
            names = q.SQL(", ").join(q.Identifier(name) for name, _type in table.columns[: table.key])
            parts.append(q.SQL("PRIMARY KEY ({})").format(names))
        named = q.Identifier(table.name)
        connection.execute(q.SQL("DROP TABLE IF EXISTS {}").format(named))
        connection.execute(q.SQL("CREATE TABLE {} ({})").format(named, q.SQL(", ").join(parts)))
        for row in table.rows:
            values = q.SQL(", ").join(
                q.SQL("{}::{}").format(q.Literal(value), trusted(type_.split(" COLLATE")[0]))
                for value, (_name, type_) in zip(row, table.columns, strict=True)
            )
            connection.execute(q.SQL("INSERT INTO {} VALUES ({}) ON CONFLICT DO NOTHING").format(named, values))


def trusted(text: Any) -> q.SQL:
    return q.SQL(text)


def check(source: Database, store: Database, table: Table, format_: Format, chunk_rows: int, exact: bool) -> None:
    """Extract the table and compare. exact: let the planner know how many rows there are."""
    make(source, table)
    if exact:
        with psycopg.connect(source.url, autocommit=True) as connection:
            connection.execute(q.SQL("ANALYZE {}").format(q.Identifier(table.name)))
    store.run("DROP TABLE IF EXISTS extraction_typed.test CASCADE")
    quoted = table.name.replace('"', '""')
    definition = Definition(table=f'public."{quoted}"', format=format_, chunk_rows=chunk_rows)
    number = extract(source.url, store, definition)
    columns = [name for name, _type in table.columns]
    found = assert_same(source, store, q.Identifier(table.name), columns, number, format_)
    assert found == len(table.rows) or (table.key and found <= len(table.rows))


def _run(source: Database, store: Database, examples: int) -> None:
    source.run(
        "CREATE TYPE mood AS ENUM ('ok', 'so so', 'tr\u00e8s')", "CREATE DOMAIN positive AS int CHECK (value > 0)"
    )
    chunks = []

    @settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tables(), st.sampled_from(list(Format)), st.integers(1, 8), st.booleans())
    def property_(table: Table, format_: Format, chunk_rows: int, exact: bool) -> None:
        check(source, store, table, format_, chunk_rows, exact)
        chunks.append(store.value("SELECT count(*) FROM extraction_chunks WHERE extraction_id ="
                                  " (SELECT max(id) FROM extractions)"))  # fmt: skip

    property_()
    assert max(chunks) > 3, "no drawn table was cut into chunks"


def test_drawn_tables(source: Database, store: Database) -> None:
    _run(source, store, 80)


@pytest.mark.ci
@pytest.mark.timeout(900)
def test_many_drawn_tables(source: Database, store: Database) -> None:
    _run(source, store, 600)
