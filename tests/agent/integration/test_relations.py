"""Every kind of relation: partitions, children, foreign tables, views, queries, a standby; all rows, each once."""

import time
from collections.abc import Callable, Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql as q

from comparison import assert_same
from extraction_agent import embedded, errors
from extraction_agent.model import Consistency, Definition, Format
from extraction_agent.sources import open_source
from support import Database, extract

FORMATS = pytest.mark.parametrize("format_", list(Format))


def arrives(
    source: Database, store: Database, columns: list[str], rows: int, chunks: range | None = None, name: str = "item",
    **definition: object,
) -> None:  # fmt: skip
    """Extract and compare. chunks: how many there may be."""
    wanted = Definition.model_validate({"table": name, "chunk_rows": 100, **definition})
    number = extract(source.url, store, wanted)
    found = store.value("SELECT count(*) FROM extraction_chunks WHERE extraction_id = %(n)s", {"n": number})
    assert chunks is None or found in chunks, found
    assert assert_same(source, store, q.Identifier(name), columns, number, wanted.format) == rows


def method(source: Database, definition: Definition) -> tuple[str, Consistency, str]:
    planned = open_source(source.url).plan(definition, 100, None)
    if planned.snapshot is not None:
        planned.snapshot.close()
    return planned.plan.method, planned.plan.consistency, planned.plan.reason


PARTITIONED: tuple[LiteralString, ...] = (
    "CREATE SCHEMA parts",
    "CREATE TABLE item (id int NOT NULL, region text NOT NULL, name text) PARTITION BY LIST (region)",
    "CREATE TABLE parts.\"North East\" PARTITION OF item FOR VALUES IN ('n')",
    "CREATE TABLE parts.rest PARTITION OF item DEFAULT PARTITION BY RANGE (id)",
    "CREATE TABLE parts.low PARTITION OF parts.rest FOR VALUES FROM (MINVALUE) TO (500)",
    "CREATE TABLE parts.high (name text, region text NOT NULL, gone int, id int NOT NULL)",
    "ALTER TABLE parts.high DROP COLUMN gone",
    "ALTER TABLE parts.rest ATTACH PARTITION parts.high FOR VALUES FROM (500) TO (MAXVALUE)",
    "CREATE TABLE parts.nothing PARTITION OF item FOR VALUES IN ('none')",
    "INSERT INTO item SELECT n, CASE WHEN n % 3 = 0 THEN 'n' ELSE 's' END, 'x' FROM generate_series(1, 1000) AS n",
    "ANALYZE item",
)


@FORMATS
def test_a_partitioned_table_without_a_key(source: Database, store: Database, format_: Format) -> None:
    source.run(*PARTITIONED)
    assert method(source, Definition(table="item"))[:2] == ("ctid", Consistency.SNAPSHOT)
    arrives(source, store, ["id", "region", "name"], 1000, range(4, 20), format=format_)


@FORMATS
def test_a_partitioned_table_with_a_key(source: Database, store: Database, format_: Format) -> None:
    source.run(*PARTITIONED, "ALTER TABLE item ADD PRIMARY KEY (id, region)", "ANALYZE item")
    assert method(source, Definition(table="item"))[:2] == ("key", Consistency.CHUNK)
    arrives(source, store, ["id", "region", "name"], 1000, range(8, 13), format=format_)


@pytest.mark.parametrize(
    "obstacle",
    [
        "REVOKE USAGE ON SCHEMA parts FROM partial",
        "REVOKE SELECT ON parts.low FROM partial",
        "ALTER TABLE parts.low ENABLE ROW LEVEL SECURITY",
    ],
)
def test_partitions_that_may_not_be_read_by_themselves(
    source: Database, store: Database, obstacle: LiteralString
) -> None:
    source.run(
        *PARTITIONED, "CREATE ROLE partial LOGIN", "GRANT SELECT ON item TO partial",
        "GRANT USAGE ON SCHEMA parts TO partial", "GRANT SELECT ON ALL TABLES IN SCHEMA parts TO partial", obstacle,
    )  # fmt: skip
    try:
        limited = Database(source.url.replace("postgres@", "partial@"))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            limited.run("SET row_security = off; SELECT count(*) FROM parts.low")
        arrives(limited, store, ["id", "region", "name"], 1000, range(1, 2))
    finally:
        source.run("DROP OWNED BY partial", "DROP ROLE partial")


@FORMATS
def test_an_inheritance_parent(source: Database, store: Database, format_: Format) -> None:
    """Its key says nothing of its children's rows: here one repeats a key and has a NULL."""
    source.run(
        "CREATE TABLE item (id int UNIQUE NOT NULL)", "CREATE TABLE child (id int, extra text)",
        "ALTER TABLE child ALTER id SET NOT NULL", "ALTER TABLE child INHERIT item",
        "INSERT INTO item SELECT generate_series(1, 400)", "INSERT INTO child SELECT generate_series(1, 400), 'x'",
        "ANALYZE item", "ANALYZE child",
    )  # fmt: skip
    assert method(source, Definition(table="item"))[0] == "ctid"
    with pytest.raises(errors.UsageError, match="not unique"):
        method(source, Definition(table="item", key=("id",)))
    arrives(source, store, ["id"], 800, range(4, 20), format=format_)


@FORMATS
def test_foreign_tables(source: Database, store: Database, format_: Format, server: embedded.Server) -> None:
    """Another server knows nothing of our snapshot, so what it holds is read by one statement."""
    source.run(
        "CREATE EXTENSION postgres_fdw", "CREATE TABLE far AS SELECT n AS id, 'far'::text AS place"
        " FROM generate_series(1, 500) AS n",
        "CREATE TABLE item (id int, place text) PARTITION BY LIST (place)",
        "CREATE TABLE near PARTITION OF item FOR VALUES IN ('near')",
        "INSERT INTO item SELECT n, 'near' FROM generate_series(1, 500) AS n",
    )  # fmt: skip
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(
            q.SQL(
                "CREATE SERVER beyond FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port {}, dbname {})"
            ).format(q.Literal(str(server.port)), q.Literal(source.url.rsplit("/", 1)[1]))
        )
    source.run(
        "CREATE USER MAPPING FOR postgres SERVER beyond OPTIONS (user 'postgres')",
        "CREATE FOREIGN TABLE far_away PARTITION OF item FOR VALUES IN ('far')"
        " SERVER beyond OPTIONS (table_name 'far')",
        "CREATE VIEW mixed AS SELECT * FROM item",
        "ANALYZE item", "ANALYZE far_away",
    )  # fmt: skip
    assert "foreign" in method(source, Definition(table="item"))[2]
    arrives(source, store, ["id", "place"], 1000, range(1, 2), format=format_)
    store.run("DROP SCHEMA extraction_typed CASCADE", "CREATE SCHEMA extraction_typed")
    arrives(source, store, ["id", "place"], 500, range(1, 2), name="far_away", format=format_)
    arrives(source, store, ["id", "place"], 1000, range(1, 2), name="mixed", key=["id", "place"], format=format_)


@FORMATS
@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_views(source: Database, store: Database, format_: Format, kind: str) -> None:
    source.run("CREATE TABLE base AS SELECT n AS id, 'x ' || n AS name FROM generate_series(1, 1000) AS n")
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(q.SQL("CREATE {} item AS SELECT * FROM base WHERE id > 200").format(q.SQL(kind)))
    source.run("ANALYZE base")
    if kind == "MATERIALIZED VIEW":
        source.run("CREATE UNIQUE INDEX ON item (id)", "ANALYZE item")
    arrives(source, store, ["id", "name"], 800, range(4, 20) if kind != "VIEW" else range(1, 2), format=format_)
    arrives(source, store, ["id", "name"], 800, range(8, 10), key=["id"], format=format_)
    arrives(source, store, ["id", "name"], 800, range(8, 10), key=["id"], format=format_, consistency="snapshot")
    with pytest.raises(errors.UsageError, match="--consistency snapshot"):
        method(source, Definition(table="item", key=("id",), consistency=Consistency.CHUNK))


@FORMATS
def test_queries_with_parameters(source: Database, store: Database, format_: Format) -> None:
    source.run("CREATE TABLE base AS SELECT n AS id, 'it''s 5% ' || n AS name FROM generate_series(1, 1000) AS n")
    query = "SELECT id, name FROM base WHERE id > %(low)s::int AND name LIKE %(like)s ORDER BY name;"
    definition = Definition(
        query=query, parameters={"low": "200", "like": "it's 5% %"}, key=("id",), chunk_rows=100, format=format_
    )
    number = extract(source.url, store, definition)
    assert store.value("SELECT count(*) FROM extraction_chunks") == 8
    relation = q.SQL("(SELECT id, name FROM base WHERE id > 200) AS query")
    assert assert_same(source, store, relation, ["id", "name"], number, format_) == 800


def test_a_query_that_ends_in_a_remark(source: Database, store: Database) -> None:
    source.run("CREATE TABLE base AS SELECT generate_series(1, 10) AS id")
    extract(source.url, store, Definition(query="SELECT id FROM base -- all of it"))
    assert store.value("SELECT count(*) FROM extraction_data") == 10


@FORMATS
def test_unlogged_tables_and_typed_tables(source: Database, store: Database, format_: Format) -> None:
    source.run(
        "CREATE TYPE shape AS (id int, name text)", "CREATE UNLOGGED TABLE item OF shape (PRIMARY KEY (id))",
        "INSERT INTO item SELECT n, 'x' FROM generate_series(1, 500) AS n", "ANALYZE item",
    )  # fmt: skip
    arrives(source, store, ["id", "name"], 500, range(4, 7), format=format_)


@pytest.fixture(scope="module")
def standby() -> Iterator[tuple[Database, Database]]:
    """A primary and a hot standby of it."""
    with embedded.folder() as folder, embedded.Server(folder / "primary", {"fsync": "off"}) as primary:
        second = embedded.Server(folder / "standby", {"fsync": "off", "hot_standby": "on"})
        second.run("pg_basebackup", "-d", primary.url(), "-D", str(second.data), "-R", "-X", "stream", "-c", "fast")
        second.data.chmod(0o700)
        with second:
            yield Database(primary.url()), Database(second.url())


@FORMATS
@pytest.mark.parametrize("consistency", list(Consistency))
@pytest.mark.parametrize("key", ["PRIMARY KEY", "NOT NULL"])
def test_a_standby(
    standby: tuple[Database, Database], store: Database, format_: Format, consistency: Consistency, key: str
) -> None:
    primary, replica = standby
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS item")
        connection.execute(q.SQL("CREATE TABLE item (id int {}, name text)").format(q.SQL(key)))
        connection.execute("INSERT INTO item SELECT n, 'x' FROM generate_series(1, 1000) AS n")
        connection.execute("ANALYZE item")
        end = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    assert end is not None
    wait_until(lambda: replica.value("SELECT pg_last_wal_replay_lsn() >= %(end)s::pg_lsn", {"end": end[0]}))
    assert replica.value("SELECT pg_is_in_recovery()")
    if key == "NOT NULL" and consistency is Consistency.CHUNK:
        with pytest.raises(errors.UsageError, match="one snapshot"):
            method(replica, Definition(table="item", consistency=consistency))
        return
    arrives(replica, store, ["id", "name"], 1000, range(5, 30), format=format_, consistency=consistency)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
