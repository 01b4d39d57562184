"""Incremental runs when the source's server is another one, or fills its tables from another one."""

import time

import psycopg
import pytest

from extraction_agent import embedded, errors
from extraction_agent.model import Definition
from support import Database, extract, ids, notes

ITEM = (
    "CREATE TABLE item (id int PRIMARY KEY, version int DEFAULT 1, changed_at timestamptz DEFAULT now())",
    "INSERT INTO item SELECT generate_series(1, 1000)",
)
LATER = (
    "INSERT INTO item VALUES (1001)",
    "UPDATE item SET version = 2, changed_at = now() WHERE id IN (5, 7)",
)


def test_failover(store: Database) -> None:
    settings = {"max_prepared_transactions": "20", "fsync": "off"}
    with embedded.folder() as folder, embedded.Server(folder / "primary", settings) as primary:
        source = Database(primary.url())
        source.run(*ITEM)
        definition = Definition(table="item", watermark="changed_at")
        assert len(ids(store, extract(source.url, store, definition))) == 1000
        assert len(ids(store, extract(source.url, store, Definition(table="item", watermark="xmin"), "xmin"))) == 1000
        copy = embedded.Server(folder / "copy", settings, primary.bin)
        copy.run("pg_basebackup", "-D", str(copy.data), "-d", primary.url(), "-R", "-c", "fast")
        primary.stop("immediate")
        copy.port = primary.port
        copy.start()
        try:
            source.rows("SELECT pg_promote()")
            source.run(*LATER)
            number = extract(source.url, store, definition)
            assert "failed over" in notes(store, number)
            assert {5, 7, 1001} <= set(ids(store, number))
            number = extract(source.url, store, definition)
            assert (ids(store, number), notes(store, number)) == ([], "")
            with pytest.raises(errors.UsageError, match="watermark reset"):
                extract(source.url, store, Definition(table="item", watermark="xmin"), "xmin")
        finally:
            copy.stop("immediate")


def test_a_crash_that_takes_commits_back(store: Database) -> None:
    """With synchronous_commit off a crash undoes the newest commits, and their numbers are given out again."""
    settings = {"wal_writer_delay": "2000", "restart_after_crash": "off"}
    with embedded.folder() as folder, embedded.Server(folder / "server", settings) as server:
        source = Database(server.url())
        source.run(*ITEM)
        definition = Definition(table="item", watermark="xmin")
        extract(source.url, store, definition)

        def insert_unflushed(number: int) -> None:
            with psycopg.connect(source.url, autocommit=True) as connection:
                connection.execute("SET synchronous_commit = off")
                connection.execute("INSERT INTO item VALUES (%s)", [number])

        insert_unflushed(2000)
        number = extract(source.url, store, definition)
        insert_unflushed(3000)
        server.stop("immediate")
        server.start()
        assert source.rows("SELECT id FROM item WHERE id >= 2000") == [(2000,)], "the crash took 3000 back, not 2000"
        assert ids(store, number) == [2000]
        source.run("INSERT INTO item VALUES (2001)")
        assert ids(store, extract(source.url, store, definition)) == [2001]


def test_a_table_that_a_subscription_fills(store: Database) -> None:
    """Its stamps are those of the publisher, which may lie before every transaction here."""
    with embedded.folder() as folder, embedded.Server(folder / "server", {"wal_level": "logical"}) as server:
        Database(server.url()).run("CREATE DATABASE copy")
        publisher, source = Database(server.url()), Database(server.url("copy"))
        publisher.run(ITEM[0], "CREATE PUBLICATION items FOR TABLE item")
        publisher.rows("SELECT pg_create_logical_replication_slot('items', 'pgoutput')")
        source.run(ITEM[0])
        with psycopg.connect(source.url, autocommit=True) as connection:
            connection.execute(
                f"CREATE SUBSCRIPTION items CONNECTION '{server.url()}' PUBLICATION items "
                "WITH (create_slot = false, copy_data = false)"
            )
        definition = Definition(table="item", watermark="changed_at", overlap_seconds=0)
        extract(source.url, store, definition)
        publisher.run("INSERT INTO item VALUES (1, 1, '2001-01-01')")
        _wait_for_rows(source, 1)
        number = extract(source.url, store, definition)
        assert (ids(store, number), notes(store, number)) == ([1], "")
        assert ids(store, extract(source.url, store, definition)) == []
        source.run("DROP SUBSCRIPTION items")


def _wait_for_rows(source: Database, count: int) -> None:
    for _ in range(3000):
        if source.value("SELECT count(*) FROM item") == count:
            return
        time.sleep(0.01)
    raise AssertionError("the subscription brought nothing")
