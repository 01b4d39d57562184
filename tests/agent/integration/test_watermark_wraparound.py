"""Transaction numbers have 32 bits in a row and come round: incremental runs go on across the turn."""

import os

import psycopg
import pytest

from extraction_agent import embedded
from extraction_agent.model import Definition
from support import Database, extract

TURN = 2**32
SEGMENT = 32 * 8192 * 4  # transactions in a file of pg_xact


def leap(server: embedded.Server, xid: int) -> None:
    """Let the next transaction have the number `xid`; everything so far is frozen first."""
    for database in ("postgres", "template1", "template0"):
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            connection.execute("VACUUM FREEZE")
    server.stop()
    log = server.data / "pg_xact" / f"{xid // SEGMENT:04X}"
    log.write_bytes(bytes(SEGMENT // 4))
    owner = server.data.stat()
    os.chown(log, owner.st_uid, owner.st_gid)
    server.run("pg_resetwal", "-x", str(xid), "-D", str(server.data))
    server.start()


def burn(database: Database, count: int) -> int:
    """Use up transaction numbers. Returns the last, in 64 bits."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        for _ in range(count):
            row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.ci
def test_across_the_turn(store: Database) -> None:
    with embedded.folder() as folder, embedded.Server(folder / "server", {"fsync": "off"}) as server:
        source = Database(server.url())
        source.run(
            "CREATE TABLE item (id int PRIMARY KEY, changed_at timestamptz DEFAULT now())",
            "INSERT INTO item SELECT n, now() - interval '1 day' FROM generate_series(1, 100) AS n",
            "UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'",
        )
        definitions = [Definition(table="item", watermark=column) for column in ("changed_at", "xmin")]

        def run() -> list[list[int]]:
            query = "SELECT (data->>'id')::int FROM extraction_data WHERE extraction_id = %(n)s ORDER BY 1"
            numbers = [extract(source.url, store, definition, definition.watermark or "") for definition in definitions]
            return [[row[0] for row in store.rows(query, {"n": number})] for number in numbers]

        for xid in (1_500_000_000, 3_000_000_000, TURN - 60):
            leap(server, xid)
        assert run() == [list(range(1, 101))] * 2
        source.run("INSERT INTO item VALUES (101)")
        assert TURN - 60 < burn(source, 1) < TURN
        assert run() == [[101]] * 2
        with psycopg.connect(source.url) as late:
            late.execute("INSERT INTO item VALUES (102)")
            assert burn(source, 100) > TURN
            source.run("INSERT INTO item VALUES (103)")
            assert run() == [[103]] * 2
            assert run() == [[]] * 2
            late.commit()
        assert run() == [[102]] * 2
        source.run("INSERT INTO item VALUES (104)")
        assert run() == [[104]] * 2
        # A frozen row keeps its number of a turn ago, which comes round: without a column it is taken once more.
        first = source.value("SELECT max(xmin::text::bigint) FROM item WHERE id <= 100")
        assert burn(source, first) > TURN + first
        by_column, by_number = run()
        assert by_column == []
        assert by_number == list(range(1, 101))
        source.run("INSERT INTO item VALUES (105)")
        assert run() == [[105]] * 2
