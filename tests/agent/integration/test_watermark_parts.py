"""Tables that become part of what is read, or cease to be, between two incremental runs or during one."""

from typing import LiteralString

import pytest

from extraction_agent import errors
from extraction_agent.model import Consistency, Definition
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database, extract, ids, notes

PARTS = (
    "CREATE TABLE item (id int PRIMARY KEY, changed_at timestamptz DEFAULT now()) PARTITION BY RANGE (id)",
    "CREATE TABLE low PARTITION OF item FOR VALUES FROM (0) TO (1000)",
    "INSERT INTO item SELECT generate_series(0, 999)",
    "CREATE TABLE high (id int PRIMARY KEY, changed_at timestamptz DEFAULT now())",
    "INSERT INTO high SELECT generate_series(1000, 1019)",
    "ANALYZE item, high",
)
ATTACH: LiteralString = "ALTER TABLE item ATTACH PARTITION high FOR VALUES FROM (1000) TO (2000)"
LATER = (
    "CREATE TABLE later (id int PRIMARY KEY, changed_at timestamptz)",
    "INSERT INTO later VALUES (2000, now())",
    "ALTER TABLE item ATTACH PARTITION later FOR VALUES FROM (2000) TO (3000)",
    "ALTER TABLE item ATTACH PARTITION empty FOR VALUES FROM (3000) TO (4000)",
)
STATE = "SELECT state FROM extraction_watermarks"


def assert_nothing_is_new(source: Database, store: Database, definition: Definition) -> None:
    number = extract(source.url, store, definition)
    assert (ids(store, number), notes(store, number)) == ([], "")


@pytest.mark.parametrize("rows", [100, 10_000], ids=["ranges", "whole"])
@pytest.mark.parametrize("column", ["changed_at", "xmin"])
def test_a_partition_filled_earlier_is_taken_whole(source: Database, store: Database, column: str, rows: int) -> None:
    source.run(*PARTS)
    definition = Definition(table="item", watermark=column, chunk_rows=rows, overlap_seconds=0)
    assert ids(store, extract(source.url, store, definition)) == list(range(1000))
    source.run(ATTACH, "INSERT INTO item VALUES (1500)", "UPDATE item SET changed_at = now() WHERE id = 7")
    number = extract(source.url, store, definition)
    assert ids(store, number) == [7, *range(1000, 1020), 1500]
    assert "taken whole: public.high." in notes(store, number)
    assert_nothing_is_new(source, store, definition)
    source.run("INSERT INTO item VALUES (1501)")
    assert ids(store, extract(source.url, store, definition)) == [1501]


def test_a_partition_that_may_not_be_read_by_itself(source: Database, store: Database) -> None:
    source.run(
        *PARTS, "CREATE ROLE partial LOGIN", "GRANT SELECT ON item TO partial", "GRANT pg_read_all_stats TO partial"
    )
    limited = source.url.replace("postgres@", "partial@")
    try:
        definition = Definition(table="item", watermark="changed_at", overlap_seconds=0)
        extract(limited, store, definition)
        source.run(ATTACH, "INSERT INTO item VALUES (1500)")
        assert ids(store, extract(limited, store, definition)) == [*range(1000, 1020), 1500]
    finally:
        source.run("DROP OWNED BY partial", "DROP ROLE partial")


def test_another_table_under_the_name(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT 1 AS id, now() AS changed_at")
    source.run("CREATE TABLE other AS SELECT 2 AS id, now() AS changed_at")
    definition = Definition(table="item", watermark="changed_at", overlap_seconds=0)
    assert ids(store, extract(source.url, store, definition)) == [1]
    source.run("BEGIN; ALTER TABLE item RENAME TO former; ALTER TABLE other RENAME TO item; COMMIT")
    number = extract(source.url, store, definition)
    assert ids(store, number) == [2]
    assert "taken whole: public.item." in notes(store, number)
    assert_nothing_is_new(source, store, definition)
    source.run("BEGIN; ALTER TABLE item RENAME TO other; ALTER TABLE former RENAME TO item; COMMIT")
    assert_nothing_is_new(source, store, definition)


def test_a_child_that_inherits(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT 1 AS id, now() AS changed_at")
    source.run("CREATE TABLE child AS SELECT 2 AS id, now() AS changed_at")
    definition = Definition(table="item", watermark="changed_at", overlap_seconds=0)
    assert ids(store, extract(source.url, store, definition)) == [1]
    source.run("ALTER TABLE child INHERIT item")
    assert ids(store, extract(source.url, store, definition)) == [2]
    assert_nothing_is_new(source, store, definition)


@pytest.mark.parametrize("column", ["changed_at", "xmin"])
def test_a_partition_that_was_away_for_a_run(source: Database, store: Database, column: str) -> None:
    source.run(*PARTS, ATTACH)
    definition = Definition(table="item", watermark=column, overlap_seconds=0)
    assert len(ids(store, extract(source.url, store, definition))) == 1020
    source.run("ALTER TABLE item DETACH PARTITION high", "INSERT INTO high VALUES (1500)")
    for _ in range(2):
        assert_nothing_is_new(source, store, definition)
    source.run(ATTACH, "INSERT INTO item VALUES (1501)")
    number = extract(source.url, store, definition)
    assert ids(store, number) == [1500, 1501], "what it had was taken when it was here before"
    assert_nothing_is_new(source, store, definition)


def test_a_partition_that_is_gone_for_good_is_forgotten(source: Database, store: Database) -> None:
    source.run(*PARTS, ATTACH)
    definition = Definition(table="item", watermark="xmin")
    extract(source.url, store, definition)
    source.run("ALTER TABLE item DETACH PARTITION high")
    extract(source.url, store, definition)
    assert len(store.value(STATE)["gone"]) == 1
    source.run("DROP TABLE high")
    extract(source.url, store, definition)
    assert store.value(STATE)["gone"] == {}


def test_a_state_of_before_knows_no_parts(source: Database, store: Database) -> None:
    source.run(*PARTS, ATTACH)
    definition = Definition(table="item", watermark="xmin")
    extract(source.url, store, definition)
    store.run("UPDATE extraction_watermarks SET state = state - 'leaves' - 'gone' - 'seconds'")
    source.run("INSERT INTO item VALUES (1500)")
    number = extract(source.url, store, definition)
    assert (ids(store, number), notes(store, number)) == ([1500], "")
    assert len(store.value(STATE)["leaves"]) == 2


@pytest.mark.parametrize("watermark", [None, "xmin"])
def test_a_partition_attached_under_a_snapshot(source: Database, store: Database, watermark: str | None) -> None:
    """A statement reads it at once, though the snapshot is older: some chunks would have its rows, others not."""
    source.run(*PARTS, "CREATE TABLE empty (id int PRIMARY KEY, changed_at timestamptz)")
    definition = Definition(table="item", watermark=watermark, consistency=Consistency.SNAPSHOT, chunk_rows=100)
    opened_source, stop = open_source(source.url), Stop()
    with Store(store.url) as opened:
        started = start(opened, opened_source, "test", source.url, None, definition, Settings())
        assert started.snapshot is not None
        session = opened_source.session(started.snapshot.token)
        try:
            extraction = opened.extraction(started.extraction_id)
            assert extraction.plan.method == "key"
            first, *_, last = opened.chunks(extraction.id)
            assert commit.copy_chunk(extraction, first.no, session, opened, "test", stop) is not None
            source.run(*LATER)
            session.check_schema(extraction.plan)  # one was made after the snapshot, which shows none of its rows
            source.run(ATTACH)
            with pytest.raises(errors.SchemaChanged, match=r"high was attached.*Start a new one"):
                commit.copy_chunk(extraction, last.no, session, opened, "test", stop)
        finally:
            session.close()
            started.snapshot.close()
            stop.close()
    assert store.value("SELECT count(*) FROM extraction_data WHERE (data->>'id')::int >= 1000") == 0
