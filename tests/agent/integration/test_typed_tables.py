"""A typed table that gets a new column: while somebody reads it, and while an extraction made before is unfinished."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql as q

from agent.faults.harness import run
from extraction_agent import errors
from extraction_agent.model import Column, Definition, Format, Status
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.start import Started, start, start_saved
from extraction_agent.profiles import Settings
from extraction_agent.schedules import Scheduler
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Snapshot
from extraction_agent.store import typed
from extraction_agent.store.schedules import Missed, Outcome
from extraction_agent.store.store import Config, Store
from extraction_agent.waiting import Stop
from support import Database, extract

_LARGE = Definition(table="item", format=Format.TYPED, chunk_rows=100)
_READING = "SELECT count(*) FROM extraction_typed.test"
_NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _items(source: Database) -> None:
    source.run(
        "CREATE TABLE item (id integer PRIMARY KEY)", "INSERT INTO item SELECT generate_series(1, 500)", "ANALYZE item"
    )


def _until_waiting(store: Database, done: Callable[[], bool]) -> None:
    """Return once somebody waits for a table of this database that others use."""
    ends = time.monotonic() + 30
    while not store.rows("SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"):
        assert not done(), "it has waited for no lock"
        assert time.monotonic() < ends


def test_a_new_column_holds_up_no_reader(source: Database, store: Database) -> None:
    extract(source.url, store, _LARGE)
    source.run("ALTER TABLE item ADD COLUMN name text DEFAULT 'new'")
    with psycopg.connect(store.url) as long_reader, ThreadPoolExecutor() as threads:
        assert long_reader.execute(_READING).fetchone() == (500,)  # and its lock stands until it commits
        widening = threads.submit(extract, source.url, store, _LARGE)
        _until_waiting(store, widening.done)
        with psycopg.connect(store.url, options="-c statement_timeout=20s") as other:  # while the first still reads
            assert other.execute(_READING).fetchone() == (500,)
        with pytest.raises(errors.Conflict, match="typed table of config test is being read"):
            widening.result(timeout=30)
    assert store.value("SELECT count(*) FROM extractions") == 1
    number = extract(source.url, store, _LARGE)
    assert store.rows(f"SELECT count(name) FROM extraction_typed.test WHERE _extraction_id = {number}") == [(500,)]


def test_after_the_column_locks_are_waited_for_as_long_as_ever(source: Database, store: Database) -> None:
    first = extract(source.url, store, _LARGE)
    with Store(store.url) as opened, opened.transaction():
        extraction = opened.extraction(first)
        columns = (*extraction.plan.columns, Column(name="name", type="text", sent_as="text"))
        table = opened.create_typed_table(extraction.config, columns)
        assert opened.connection.execute(q.SQL("SELECT name FROM {}").format(q.SQL(table))).rowcount == 500
        assert opened.connection.execute("SHOW lock_timeout").fetchone() == ("30s",)


def test_a_schedule_puts_off_what_needs_a_column_that_has_to_wait(source: Database, store: Database) -> None:
    extract(source.url, store, _LARGE)
    source.run("ALTER TABLE item ADD COLUMN name text")
    now = _NOON
    held: list[tuple[int, Snapshot, float]] = []

    def begin(opened: Store, config: Config) -> Started:
        return start_saved(opened, open_source(config.source_url), config, Settings())

    scheduler = Scheduler(lambda: Store(store.url), begin, lambda *one: held.append(one), "one", lambda _: now)
    with Store(store.url) as opened:
        config = opened.config("test")
        assert config is not None
        opened.set_schedule(config, "0 * * * *", "UTC", Missed.SKIP, _NOON)
        with psycopg.connect(store.url) as long_reader:
            assert long_reader.execute(_READING).fetchone() == (500,)
            assert scheduler.fire_due() == 1
            assert opened.firings(config.id, 10) == []
            assert scheduler.fire_due() == 0, "it is tried again at once"
        now = _NOON + timedelta(seconds=30)
        assert scheduler.fire_due() == 1
        [firing] = opened.firings(config.id, 10)
        assert (firing.outcome, firing.due_at) == (Outcome.STARTED, _NOON)
    for _, snapshot, _ in held:
        snapshot.close()


def test_a_part_made_before_a_column_is_resumed(source: Database, store: Database) -> None:
    """Its table has the column by now, and nothing is attached to it that lacks one."""
    failed = _begin_and_fail(source, store)
    source.run("ALTER TABLE item ADD COLUMN name varchar(9) DEFAULT 'new'")
    later = extract(source.url, store, _LARGE)
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%(table)s) AND attname = 'name'"
    assert store.rows(columns, {"table": "extraction_typed.test"}) == [("name",)]
    assert store.rows(columns, {"table": f"extraction_parts.e{failed}"}) == [], "it has what it was to lack"
    done = run("resume", str(failed), "--store", store.url)
    assert done.returncode == 0, done.stderr
    rows = store.rows(
        "SELECT _extraction_id, count(*), sum(id), count(name) FROM extraction_typed.test GROUP BY 1 ORDER BY 1"
    )
    assert rows == [(failed, 500, 125250, 0), (later, 500, 125250, 500)]


def _begin_and_fail(source: Database, store: Database) -> int:
    """An extraction of several chunks that fails after the first."""
    with Store(store.url) as opened:
        begun = start(opened, open_source(source.url), "test", source.url, None, _LARGE, Settings())
        session, stop = open_source(source.url).session(None), Stop()
        try:
            extraction = opened.extraction(begun.extraction_id)
            assert len(opened.chunks(extraction.id)) > 2
            assert commit.copy_chunk(extraction, 0, session, opened, "test", stop) is not None
            assert opened.end(extraction.id, Status.FAILED, "The source went away.")
            return extraction.id
        finally:
            session.close()
            stop.close()


@pytest.mark.parametrize("sent_as", ["int); DROP TABLE api_tokens; --", "int, more int", "a.b", 'x" int', "int[3"])
def test_a_type_that_is_more_than_a_type_reaches_no_statement(store: Database, sent_as: str) -> None:
    """A source that is no PostgreSQL may answer with it."""
    with Store(store.url) as opened, pytest.raises(errors.UsageError, match="none of PostgreSQL's own"):
        typed.prepare(opened.connection, "hostile", (Column(name="id", type=sent_as, sent_as=sent_as),))
    assert store.value(
        "SELECT to_regclass('api_tokens') IS NOT NULL AND to_regclass('extraction_typed.hostile') IS NULL"
    )
