"""Whether the rows in a store are those of the source, told without any code of the program.

Typed rows: the text each server itself makes of every value, as raw bytes of the protocol. JSON: the text the source's
own row_to_json makes of its rows.
"""

from collections import Counter

import psycopg
from psycopg import sql as q

from extraction_agent.model import Format
from support import Database

Row = tuple[bytes | None, ...]
_PINS = "-c TimeZone=UTC -c IntervalStyle=postgres -c DateStyle=ISO -c extra_float_digits=1 -c bytea_output=hex"


def raw(database: Database, query: q.Composed) -> Counter[Row]:
    """The rows of a query as the server writes them, each with its number of times."""
    with psycopg.connect(database.url, autocommit=True, options=_PINS) as connection:
        result = connection.execute(query).pgresult
        assert result is not None
        rows = range(result.ntuples)
        return Counter(tuple(result.get_value(row, column) for column in range(result.nfields)) for row in rows)


def assert_same(
    source: Database,
    store: Database,
    relation: q.Composable,
    columns: list[str],
    extraction_id: int,
    format_: Format,
    as_text: frozenset[str] = frozenset(),
) -> int:
    """Compare what arrived in config `test`'s place with the relation. as_text: columns compared after ::text.

    Returns the number of rows.
    """
    listed = q.SQL(", ").join(
        q.SQL("{}::text").format(q.Identifier(name)) if name in as_text else q.Identifier(name) for name in columns
    )
    if format_ is Format.TYPED:
        sent = raw(source, q.SQL("SELECT {} FROM {}").format(listed, relation))
        stored = q.SQL("SELECT {} FROM extraction_typed.test WHERE _extraction_id = {}")
        got = raw(store, stored.format(listed, extraction_id))
    else:
        named = q.SQL(", ").join(map(q.Identifier, columns))
        sent = raw(source, q.SQL("SELECT row_to_json(r.*)::text FROM (SELECT {} FROM {}) AS r").format(named, relation))
        stored = q.SQL("SELECT data::text FROM extraction_data WHERE extraction_id = {}")
        got = raw(store, stored.format(extraction_id))
    missing, surplus = sent - got, got - sent
    assert not missing, f"{missing.total()} rows did not arrive, e.g. {_difference(columns, missing, surplus)}"
    assert not surplus, f"{surplus.total()} rows are not at the source, e.g. {_short(next(iter(surplus)))}"
    return sent.total()


def _difference(columns: list[str], missing: Counter[Row], surplus: Counter[Row]) -> str:
    """A row that is missing, with what stands in its place where a row begins alike."""
    row = next(iter(missing))
    other = next((found for found in surplus if len(row) > 1 and found[0] == row[0]), None)
    if other is None:
        return f"{_short(row)}; instead there is {_short(next(iter(surplus), None))}"
    told = [
        f"{name}: {_short(ours)} became {_short(theirs)}"
        for name, ours, theirs in zip(columns, row, other, strict=True)
        if ours != theirs
    ]
    return "; ".join(told)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 400 else f"{text[:200]} … {text[-200:]}"
