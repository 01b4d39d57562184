"""Names as people choose them: of configs with typed tables, of columns and indexes there."""

import pytest
from psycopg import sql as q

from extraction_agent.model import Definition, Format
from support import Database, extract

TYPED = Definition(table="item", format=Format.TYPED, chunk_rows=100)
LONG = "orders of the shop in the north, with all their lines and notes "  # 64 bytes
WIDE = "ü" * 40  # 80 bytes, and the 63rd is half a letter


@pytest.fixture
def items(source: Database) -> Database:
    source.run(
        'CREATE TABLE item (id integer PRIMARY KEY, "x USING y" text, "a ""b"" USING" integer)',
        "INSERT INTO item SELECT n, 'text ' || n, n FROM generate_series(1, 300) AS n",
        "ANALYZE item",
    )
    return source


def _target(store: Database, number: int) -> str:
    name: str = store.value("SELECT target FROM extractions WHERE id = %(id)s", {"id": number})
    return name


@pytest.mark.parametrize("common", [LONG, WIDE], ids=["ascii", "two bytes a letter"])
def test_names_that_begin_alike_have_tables_of_their_own(items: Database, store: Database, common: str) -> None:
    """A name of PostgreSQL has 63 bytes at most."""
    names = [f"{common}1", f"{common}2"]
    assert len({name.encode()[:63] for name in names}) == 1
    targets = [_target(store, extract(items.url, store, TYPED, name)) for name in names]
    assert targets[0] != targets[1]
    for target in targets:
        assert store.value(q.SQL("SELECT count(*) FROM {}").format(q.SQL(target))) == 300
    assert store.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'extraction_typed'") == 2
    assert _target(store, extract(items.url, store, TYPED, names[0])) == targets[0], "always the same one"


def test_a_name_that_fits_is_the_table_s(items: Database, store: Database) -> None:
    name = LONG[:63]
    assert _target(store, extract(items.url, store, TYPED, name)) == f'"extraction_typed"."{name}"'


def test_indexes_whose_names_read_like_sql(items: Database, store: Database) -> None:
    name = 'all "items" USING hash (id)'
    extract(items.url, store, TYPED, name)
    table = q.Identifier("extraction_typed", name)
    for index in (
        q.SQL('CREATE INDEX "by text USING gin (z)" ON {} ("x USING y")'),
        q.SQL('CREATE INDEX "Zwölf ""USING btree""" ON {} ("a ""b"" USING" DESC) INCLUDE (id) WHERE id > 7'),
        q.SQL("CREATE INDEX plain ON {} USING hash ((lower(\"x USING y\") || ' USING '))"),
        q.SQL("CREATE UNIQUE INDEX ON {} (_extraction_id, id)"),
    ):
        store.run(index.format(table))  # type: ignore[arg-type] # composed here, of names that no literal may hold
    extract(items.url, store, TYPED, name)
    found = store.rows(
        "SELECT i.indrelid::regclass::text, i.indisunique, am.amname, "
        "array(SELECT pg_get_indexdef(i.indexrelid, n, true) FROM generate_series(1, i.indnatts) AS n), "
        "i.indoption::text, pg_get_expr(i.indpred, i.indrelid) "
        "FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS am ON am.oid = c.relam "
        "WHERE i.indrelid IN (%(table)s::regclass, 'extraction_parts.e2'::regclass)",
        {"table": _target(store, 2)},
    )
    ours = sorted(row[1:] for row in found if row[0].startswith("extraction_typed"))
    assert len(ours) == 4
    assert sorted(row[1:] for row in found if row[0] == "extraction_parts.e2") == ours
    assert store.value(q.SQL("SELECT count(*) FROM {}").format(table)) == 600
