"""Incremental extraction: each run takes what the runs before it have not, exactly or by overlap."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from extraction_agent import errors, horizon
from extraction_agent.model import Definition, Format, Status
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.start import renew, start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database, extract, ids, notes

ITEM = (
    "CREATE TABLE item (id int PRIMARY KEY, version int DEFAULT 1, changed_at timestamptz DEFAULT now())",
    "INSERT INTO item SELECT generate_series(1, 1000)",
)
LATER = (
    "INSERT INTO item VALUES (1001)",
    "UPDATE item SET version = 2, changed_at = now() WHERE id IN (5, 7)",
    "DELETE FROM item WHERE id = 9",
)


def state(store: Database, name: str = "test") -> dict[str, object]:
    with Store(store.url) as opened:
        config = opened.config(name)
        assert config is not None
        kept = opened.watermark(config.id)
        assert kept is not None
        return kept


def reset(store: Database, name: str = "test") -> bool:
    with Store(store.url) as opened:
        config = opened.config(name)
        assert config is not None
        return opened.reset_watermark(config)


@pytest.mark.parametrize("column", ["changed_at", "xmin", "version"])
def test_takes_what_changed(source: Database, store: Database, column: str) -> None:
    source.run(*ITEM)
    definition = Definition(table="item", watermark=column, chunk_rows=100)
    assert ids(store, extract(source.url, store, definition)) == list(range(1, 1001))
    assert ids(store, extract(source.url, store, definition)) == []
    source.run(*LATER)
    number = extract(source.url, store, definition)
    assert ids(store, number) == [5, 7, 1001]
    assert notes(store, number) == ""
    assert ids(store, extract(source.url, store, definition)) == []
    assert reset(store)
    assert not reset(store)
    assert len(ids(store, extract(source.url, store, definition))) == 1000


@pytest.mark.parametrize("type_", ["timestamp", "timestamp(3)", "date"])
def test_stamps_without_a_zone_far_in_the_west(source: Database, store: Database, type_: str) -> None:
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'Etc/GMT+12'")
        connection.execute(f"CREATE TABLE item (id int PRIMARY KEY, changed_at {type_} DEFAULT now())")
        definition = Definition(table="item", watermark="changed_at", overlap_seconds=0)
        for n in range(3):
            connection.execute("INSERT INTO item VALUES (%s)", [n])
            assert ids(store, extract(source.url, store, definition)) == [n]


def test_rows_of_an_open_transaction_come_later_and_once(source: Database, store: Database) -> None:
    source.run(*ITEM)
    definition = Definition(table="item", watermark="changed_at", overlap_seconds=0)
    with psycopg.connect(source.url) as late, psycopg.connect(source.url, autocommit=True) as other:
        late.execute("INSERT INTO item VALUES (2000)")
        late.execute("SAVEPOINT inner_one")
        late.execute("INSERT INTO item VALUES (2001)")
        other.execute("INSERT INTO item VALUES (3000)")  # younger than the open one, and visible before it
        assert ids(store, extract(source.url, store, definition))[-1] == 3000
        kept = horizon.facts(state(store))
        assert kept.seen == 1, "the transaction that is younger than the oldest open one"
        assert kept.age_seconds is not None
        assert 0 <= kept.age_seconds < 300
        assert ids(store, extract(source.url, store, definition)) == []
        late.commit()
    assert ids(store, extract(source.url, store, definition)) == [2000, 2001]
    assert ids(store, extract(source.url, store, definition)) == []


def test_a_prepared_transaction_holds_the_horizon(source: Database, store: Database) -> None:
    source.run(*ITEM)
    definition = Definition(table="item", watermark="changed_at", overlap_seconds=0)
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO item VALUES (2000)")
        connection.execute("PREPARE TRANSACTION 'waiting'")
        extract(source.url, store, definition)
        assert state(store)["low"] is None, "nothing tells when it began"
        assert ids(store, extract(source.url, store, definition)) == []
        connection.execute("COMMIT PREPARED 'waiting'")
    assert ids(store, extract(source.url, store, definition)) == [2000]
    horizon = state(store)["low"]
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO item VALUES (2001)")
        connection.execute("PREPARE TRANSACTION 'waiting'")
        assert ids(store, extract(source.url, store, definition)) == []
        assert state(store)["low"] == horizon
        connection.execute("COMMIT PREPARED 'waiting'")
    assert ids(store, extract(source.url, store, definition)) == [2001]


def test_partitions(source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE item (id int, changed_at timestamptz DEFAULT now()) PARTITION BY HASH (id)",
        "CREATE TABLE item_0 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE item_1 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO item SELECT generate_series(1, 1000)",
        "ANALYZE item",
    )
    definition = Definition(table="item", watermark="changed_at", chunk_rows=100)
    assert len(ids(store, extract(source.url, store, definition))) == 1000
    source.run("INSERT INTO item VALUES (1001), (1002)")
    number = extract(source.url, store, definition)
    assert ids(store, number) == [1001, 1002]
    assert notes(store, number) == ""


@pytest.mark.parametrize("format_", list(Format))
def test_overlap_drops_what_the_last_run_took(source: Database, store: Database, format_: Format) -> None:
    source.run(*ITEM, "CREATE VIEW items AS SELECT * FROM item")
    source.run("INSERT INTO item VALUES (1002, 1, NULL), (1003, 1, 'infinity'), (1004, 1, '2001-01-01')")
    definition = Definition(table="items", watermark="changed_at", format=format_)

    def run() -> list[int]:
        number = extract(source.url, store, definition)
        assert "view" in notes(store, number)
        assert "overlaps the last one by 300 s" in notes(store, number)
        if format_ is Format.JSON:
            return ids(store, number)
        query = "SELECT id FROM extraction_typed.test WHERE _extraction_id = %(n)s ORDER BY 1"
        return [row[0] for row in store.rows(query, {"n": number})]

    assert run() == [*range(1, 1001), 1002, 1003, 1004]
    assert store.value("SELECT length(window_digests) / 8 FROM extraction_watermarks") == 1001
    assert store.value("SELECT count(window_digests) FROM extraction_chunks") == 0, "kept once only"
    assert run() == []
    source.run(*LATER)
    assert run() == [5, 7, 1001]
    assert run() == []


@pytest.mark.parametrize("type_", ["int", "bigint", "numeric(12,3)", "real", "float8"])
def test_overlap_of_numbers(source: Database, store: Database, type_: str) -> None:
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE item (id int PRIMARY KEY, serial {type_})")
        connection.execute("INSERT INTO item SELECT n, n FROM generate_series(1, 1000) AS n")
        if type_ == "float8":
            connection.execute("INSERT INTO item VALUES (5000, 'NaN'), (5001, 'Infinity')")
    definition = Definition(query="SELECT * FROM item WHERE id <> %(not)s", parameters={"not": "3"}, watermark="serial")
    definition = definition.model_copy(update={"overlap_seconds": 10})
    assert len(ids(store, extract(source.url, store, definition))) == (1001 if type_ == "float8" else 999)
    assert state(store)["from"] == "990"
    source.run("INSERT INTO item VALUES (2000, 985), (2001, 995), (2002, 1001)")
    number = extract(source.url, store, definition)
    assert ids(store, number) == [2001, 2002], "985 lies before the overlap"
    assert "by 10 of serial" in notes(store, number)


def test_overlap_of_an_empty_table(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item (id int, changed_at timestamptz)", "CREATE VIEW items AS SELECT * FROM item")
    source.run("INSERT INTO item VALUES (1, NULL)")
    definition = Definition(table="items", watermark="changed_at")
    assert ids(store, extract(source.url, store, definition)) == [1]
    source.run("INSERT INTO item VALUES (2, '2001-01-01'), (3, '2002-02-02')")
    assert ids(store, extract(source.url, store, definition)) == [2, 3]
    assert ids(store, extract(source.url, store, definition)) == []


def test_a_second_row_of_the_same_content_is_new(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item (id int, changed_at date)", "CREATE VIEW items AS SELECT * FROM item")
    definition = Definition(table="items", watermark="changed_at")
    for _ in range(3):
        source.run("INSERT INTO item VALUES (1, '2020-01-01')")
        assert ids(store, extract(source.url, store, definition)) == [1]
    assert ids(store, extract(source.url, store, definition)) == []


@pytest.fixture
def onlooker(source: Database) -> Iterator[str]:
    """A role that sees its own sessions only: the source's URL with it."""
    source.run(*ITEM, "CREATE ROLE watcher LOGIN", "GRANT SELECT ON item TO watcher")
    yield source.url.replace("postgres@", "watcher@")
    source.run("DROP OWNED BY watcher", "DROP ROLE watcher")


def test_a_role_is_granted_to_see_and_loses_it_again(source: Database, store: Database, onlooker: str) -> None:
    definition = Definition(table="item", watermark="changed_at")
    number = extract(onlooker, store, definition)
    assert "pg_read_all_stats" in notes(store, number)
    source.run(*LATER, "GRANT pg_read_all_stats TO watcher")
    number = extract(onlooker, store, definition)
    assert ids(store, number) == [5, 7, 1001], "exact now, and still nothing twice"
    assert notes(store, number) == ""
    assert state(store)["kind"] == "exact"
    source.run("INSERT INTO item VALUES (1002)", "REVOKE pg_read_all_stats FROM watcher")
    number = extract(onlooker, store, definition)
    assert "some are taken a second time" in notes(store, number)
    assert 1002 in ids(store, number)
    source.run("INSERT INTO item VALUES (1003)")
    assert ids(store, extract(onlooker, store, definition)) == [1003]


def test_columns_granted_one_by_one(source: Database, store: Database, onlooker: str) -> None:
    source.run("REVOKE SELECT ON item FROM watcher", "GRANT SELECT (id, changed_at) ON item TO watcher")
    source.run("GRANT pg_read_all_stats TO watcher")
    definition = Definition(table="item", watermark="changed_at", columns=("id", "changed_at"))
    number = extract(onlooker, store, definition)
    assert len(ids(store, number)) == 1000
    assert "xmin is not among them" in notes(store, number)


def test_a_session_that_hides_its_transactions(source: Database, store: Database) -> None:
    source.run(*ITEM)
    definition = Definition(table="item", watermark="changed_at")
    with psycopg.connect(source.url, autocommit=True) as hidden:
        hidden.execute("SET track_activities = off")
        assert "track_activities is off" in notes(store, extract(source.url, store, definition))
        with pytest.raises(errors.UsageError, match=r"track_activities is off.* needs a column"):
            extract(source.url, store, Definition(table="item", watermark="xmin"), "other")
    assert notes(store, extract(source.url, store, definition)) == ""


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (Definition(table="item", watermark="changed"), "Column changed does not exist.*changed_at"),
        (Definition(table="item", watermark="name"), "Column name of table public.item is text; a watermark is a date"),
        (Definition(table="item", watermark="at_noon"), "time without time zone"),
        (Definition(table="items", watermark="xmin"), "rows of a view do not tell.*needs a column"),
        (Definition(query="SELECT * FROM item", watermark="xmin"), "rows of a query do not tell"),
        (Definition.model_validate({"table": "item", "watermark": "xmin", "consistency": "chunk"}), "one snapshot"),
    ],
)
def test_refused(source: Database, store: Database, definition: Definition, message: str) -> None:
    source.run("CREATE TABLE item (id int PRIMARY KEY, name text, at_noon time, changed_at timestamptz)")
    source.run("CREATE VIEW items AS SELECT * FROM item")
    with pytest.raises(errors.UsageError, match=message):
        extract(source.url, store, definition)
    assert store.value("SELECT count(*) FROM extractions") == 0


def test_pages_know_no_watermark(source: Database, store: Database) -> None:
    source.run(*ITEM)
    with pytest.raises(errors.UsageError, match="know no watermark"):
        extract(
            source.url,
            store,
            Definition(table="item", watermark="changed_at"),
            reading={"method": "offset"},
            batch={"method": "insert"},
        )


def test_a_watermark_belongs_to_its_rows(source: Database, store: Database) -> None:
    source.run(*ITEM, "CREATE TABLE other AS SELECT * FROM item")
    extract(source.url, store, Definition(table="item", watermark="changed_at"))
    other = Definition(table="other", watermark="changed_at")
    with pytest.raises(errors.UsageError, match=r"what is read was item and is other.*extractctl watermark reset test"):
        extract(source.url, store, other)
    extract(source.url, store, Definition(table="item", watermark="changed_at", columns=("id",)))
    assert reset(store)
    assert len(ids(store, extract(source.url, store, other))) == 1000


@contextmanager
def begun(source: Database, store: Database, definition: Definition) -> Iterator[tuple[Store, int]]:
    """A started extraction whose snapshot has just been lost."""
    with Store(store.url) as opened:
        started = start(opened, open_source(source.url), "test", source.url, None, definition, Settings())
        assert started.snapshot is not None
        try:
            yield opened, started.extraction_id
        finally:
            started.snapshot.close()


def test_the_watermark_moves_with_the_data_only(source: Database, store: Database) -> None:
    source.run(*ITEM)
    definition = Definition(table="item", watermark="changed_at", chunk_rows=100)
    extract(source.url, store, definition)
    before = state(store)
    source.run(*LATER)
    with begun(source, store, definition) as (opened, number):
        opened.end(number, Status.FAILED, "given up")
        assert state(store) == before
    assert ids(store, extract(source.url, store, definition)) == [5, 7, 1001]


def test_a_lost_snapshot_begins_the_run_again(source: Database, store: Database) -> None:
    source.run(*ITEM, "ANALYZE item")
    definition = Definition(table="item", watermark="changed_at", chunk_rows=100)
    opened_source, stop = open_source(source.url), Stop()
    with Store(store.url) as opened:
        started = start(opened, opened_source, "test", source.url, None, definition, Settings())
        assert started.snapshot is not None
        extraction = opened.extraction(started.extraction_id)
        session = opened_source.session(started.snapshot.token)
        first = opened.chunks(extraction.id)[0].no
        assert commit.copy_chunk(extraction, first, session, opened, "test", stop) is not None
        session.close()
        started.snapshot.close()
        with pytest.raises(errors.SnapshotLost):
            opened_source.session(started.snapshot.token)
        source.run(*LATER)
        snapshot = renew(opened, opened_source, extraction)
        assert snapshot is not None
        extraction = opened.extraction(extraction.id)
        session = opened_source.session(snapshot.token)
        for chunk in opened.chunks(extraction.id):
            assert commit.copy_chunk(extraction, chunk.no, session, opened, "test", stop) is not None
        opened.finish(extraction.id)
        session.close()
        snapshot.close()
    stop.close()
    assert ids(store, extraction.id) == [*range(1, 9), *range(10, 1002)]
    assert notes(store, extraction.id).count("began again") == 1
    assert ids(store, extract(source.url, store, definition)) == []


def test_a_run_never_starts_from_a_watermark_that_has_moved(source: Database, store: Database) -> None:
    source.run(*ITEM)
    definition = Definition(table="item", watermark="changed_at")
    extract(source.url, store, definition)
    with Store(store.url) as opened:
        config = opened.config("test")
        assert config is not None
        read = opened.watermark(config.id)
        opened.refuse_stale(config, read)
        extract(source.url, store, definition)
        with pytest.raises(errors.Conflict, match="has just ended"):
            opened.refuse_stale(config, read)


def test_facts_of_a_state() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    exact = {"kind": "exact", "column": "xmin", "low": "2026-01-01 11:59:00.25+00", "seen": "{[5,8),[10,11)}"}
    assert horizon.facts(exact, now) == horizon.Facts("exact", "xmin", "2026-01-01 11:59:00.25+00", 59.75, 4)
    local = {"kind": "overlap", "column": "at", "from": "2026-01-01 11:00:00", "high": "2026-01-01 11:05:00"}
    assert horizon.facts(local, now).age_seconds == 3600
    number = {"kind": "overlap", "column": "n", "from": "990", "high": "1000"}
    assert horizon.facts(number, now) == horizon.Facts("overlap", "n", "990", None, 0)
    assert horizon.facts({"kind": "exact", "column": "at", "low": None, "seen": "{}"}, now).horizon is None
